"""A page that shows a camera loop at work: the picture with what was found, times, links, and decisions with reasons.

The standard library serves it: a page for a few watchers of one device needs no framework, and a device installs none.
"""

from .board import Board
from .gallery import Gallery
from .server import ViewerServer, is_loopback
from .watching import Watched

__all__ = ["Board", "Gallery", "ViewerServer", "Watched", "is_loopback"]
