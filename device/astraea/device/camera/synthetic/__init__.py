"""A street that the program paints: cars with licence plates, and the truth about every plate."""

from .scene import LEGIBLE_PX, SyntheticCamera

__all__ = ["LEGIBLE_PX", "SyntheticCamera"]
