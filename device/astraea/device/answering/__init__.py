"""How a frame comes to its answer: decided, tried, stepped in for when that fails; learnt from in any case."""

from .offload import Offloader
from .targets import Targets

__all__ = ["Offloader", "Targets"]
