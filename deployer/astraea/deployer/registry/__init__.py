"""Registries of container images: names, credentials, and the distribution protocol that moves images."""

from .client import Registry, chunks
from .credentials import Credentials, find_credentials
from .reference import Reference

__all__ = ["Credentials", "Reference", "Registry", "chunks", "find_credentials"]
