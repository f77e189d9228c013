"""Registries of container images: names, credentials, and the distribution protocol that moves images."""

from .client import Registry, chunks
from .credentials import Credentials, find_credentials
from .reference import Reference
from .referrers import attach, attached

__all__ = ["Credentials", "Reference", "Registry", "attach", "attached", "chunks", "find_credentials"]
