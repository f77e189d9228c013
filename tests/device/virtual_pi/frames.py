"""Run in the root that `prepare` makes: our camera on the real picamera2, printing as JSON what came.

Two things are given by hand. The virtual camera has no sensor, so it has no raw modes to tell; and its buffers of two
planes must come from libcamera, for picamera2's own are one piece.
"""

import json
import sys
import time
from typing import Any

import picamera2
from picamera2.allocators import LibcameraAllocator

from astraea.device.camera import open_camera


class VirtualPi(picamera2.Picamera2):  # type: ignore[misc] # picamera2 has no annotations
    """picamera2, with what the virtual camera lacks."""

    def _get_raw_modes(self) -> list[dict[str, Any]]:
        return [{"format": "NV12", "size": (1280, 720)}]

    def configure_(self, *arguments: Any, **options: Any) -> Any:
        self.allocator = LibcameraAllocator(self.camera)
        return super().configure_(*arguments, **options)


def main() -> None:
    picamera2.Picamera2 = VirtualPi
    width, height, count = map(int, sys.argv[1:])
    frames: list[dict[str, Any]] = []
    with open_camera("picamera2:", size=(width, height), fps=30, patience_s=10) as camera:
        for _ in range(count):
            asked_at = time.monotonic()
            frame = camera.read()
            assert frame is not None
            frames.append(
                {
                    "seq": frame.seq,
                    "shape": frame.image.shape,
                    "dtype": str(frame.image.dtype),
                    "age_s": time.monotonic() - frame.captured_at,
                    "new": frame.captured_at > asked_at - 0.1,
                    "bars": [frame.image[height // 4, int((bar + 0.5) * width / 8)].tolist() for bar in range(8)],
                }
            )
    with open_camera("picamera2:") as again:  # it was let go of
        frame = again.read()
        assert frame is not None
        frames.append({"seq": frame.seq})
    sys.stdout.write(json.dumps(frames))


if __name__ == "__main__":
    main()
