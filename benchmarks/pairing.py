"""Is each result for its own frame? `python -m benchmarks.pairing` (as root) films over a link that loses packets.

A number is drawn on every frame; the service reads it off the picture that it has decoded. A result that says another
number than was drawn on the frame that it is given for, or none, is on the wrong frame. Frames without a result were
lost, or passed over because a newer one was there; the client has them answered elsewhere.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from astraea.device import HttpTransport, RefusedError, TransportError
from astraea.device.encoding import Encoding
from astraea.device.transports.webrtc.transport import VIDEO_MEDIA_TYPE, WebRtcTransport
from netlab import Conditions, unavailable

from .field import Field

_SERVICE = Path(__file__).parent / "services" / "numbers"
_BITS = 14
_BLOCK_PX = 16
_GIVE_UP_S = 3.0
_CONNECT_S = 30.0


def numbered(number: int, height: int = 120, width: int = 240) -> NDArray[np.uint8]:
    """A picture with a number, 0 to 16383, in two rows of blocks: white for 1 in the first and for 0 in the second."""
    image = np.full((height, width, 3), 90, np.uint8)
    bits = np.array([number >> bit & 1 for bit in reversed(range(_BITS))], bool)
    for row, values in enumerate((bits, ~bits)):
        blocks = np.kron(np.where(values, 235, 16), np.ones((_BLOCK_PX, _BLOCK_PX))).astype(np.uint8)
        image[row * _BLOCK_PX : (row + 1) * _BLOCK_PX, : _BITS * _BLOCK_PX] = blocks[..., None]
    return image


async def film(url: str, frames: int, fps: float) -> Counter[str]:
    """What became of each frame: `right`, `wrong`, `passed over`, `lost`."""
    video = WebRtcTransport(url, HttpTransport(url))

    async def one(number: int) -> str:
        payload = await asyncio.to_thread(video.encode, numbered(number), Encoding())
        if payload.media_type != VIDEO_MEDIA_TYPE:
            return "lost"
        try:
            async with asyncio.timeout(_GIVE_UP_S):
                reply = await video.send(payload.data, payload.media_type)
        except RefusedError:
            return "passed over"
        except (TimeoutError, TransportError):
            return "lost"
        return "right" if from_json(reply.body)["number"] == number else "wrong"

    try:
        await video.probe(b"")
        async with asyncio.timeout(_CONNECT_S):
            while not video.is_video:  # noqa: ASYNC110 - it has no event for it
                await asyncio.sleep(0.05)
        loop = asyncio.get_running_loop()
        began_s, asked = loop.time(), []
        for number in range(frames):
            await asyncio.sleep(began_s + number / fps - loop.time())
            asked.append(asyncio.create_task(one(number)))
        return Counter(await asyncio.gather(*asked))
    finally:
        await video.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pairing", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=5000, help="how many, at most 16384 (default: %(default)s)")
    parser.add_argument("--fps", type=float, default=50.0, help="frames a second (default: %(default)s)")
    parser.add_argument("--loss-pct", type=float, default=2.0, help="of the packets (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    if reason := unavailable():
        sys.exit(reason)
    conditions = Conditions(rate_mbps=30, delay_ms=15, jitter_ms=3, loss_pct=given.loss_pct)
    with Field(conditions, _SERVICE) as lab, lab.device.entered():
        found = asyncio.run(film(lab.url, given.frames, given.fps))
    results = found["right"] + found["wrong"]
    figures = {
        "frames": given.frames,
        "loss_pct": given.loss_pct,
        "results": results,
        "on_the_right_frame_pct": 100 * found["right"] / max(1, results),
        "passed_over": found["passed over"],
        "lost": found["lost"],
    }
    print("\n".join(f"{name.replace('_pct', ' %').replace('_', ' '):24}{value:>10}" for name, value in figures.items()))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
