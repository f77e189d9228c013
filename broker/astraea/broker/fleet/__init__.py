"""Who is alive: instances, their leases and loads, kept so that thousands of them can be compared at once."""

from .pool import Column, Pool
from .registry import Registry
from .signals import Signals

__all__ = ["Column", "Pool", "Registry", "Signals"]
