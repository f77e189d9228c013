"""Cameras: whatever gives frames, one after the other.

`open_camera` opens one by its address; `Camera.read` is all that a source of frames must have.
"""

from .base import Camera, Frame
from .capture import without_password
from .opening import open_camera

__all__ = ["Camera", "Frame", "open_camera", "without_password"]
