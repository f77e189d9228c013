"""The last pictures of a camera, compressed only when somebody looks."""

import threading
from collections import OrderedDict

from ..camera import Frame
from ..codec import encode
from ..encoding import Encoding

_KEPT = 12
"""More than are on their way at once, so that a picture is still there when its answer comes."""
_ENCODING = Encoding(quality=75)


class Gallery:
    """Keeps the newest frames; any thread may ask for one."""

    def __init__(self) -> None:
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._lock = threading.Lock()
        self._last: tuple[int, bytes] | None = None

    def add(self, frame: Frame) -> None:
        """Keep a frame, and let go of the oldest."""
        with self._lock:
            self._frames[frame.seq] = frame
            while len(self._frames) > _KEPT:
                self._frames.popitem(last=False)

    def find(self, seq: int) -> Frame | None:
        """The frame of that number; None when it is gone."""
        with self._lock:
            return self._frames.get(seq)

    def jpeg(self, seq: int) -> bytes | None:
        """It as a JPEG file; several watchers of the same frame share one."""
        last = self._last
        if last is not None and last[0] == seq:
            return last[1]
        frame = self.find(seq)
        if frame is None:
            return None
        self._last = (seq, encode(frame.image, _ENCODING))
        return self._last[1]
