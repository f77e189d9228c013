"""What one instance accepts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what comes from outside, and on the work that is taken on."""

    workers: int
    """Requests worked on at once; each has a thread that decodes, infers and writes the answer."""
    queue: int
    """Requests that may wait for a worker; one more is refused at once."""
    batch: int = 32
    """Inputs of one call of `predict_batch`; 1 for one after the other."""
    batch_wait_s: float = 0.005
    """The longest that an input waits for others; it doesn't when it came alone."""
    body_bytes: int = 16 * 2**20
    """A 12 Mpx photo of a phone has some 5 MiB."""
    held_bytes: int = 256 * 2**20
    """All bodies together that are being read, wait or are worked on; a request beyond is refused before it is read."""
    body_s: float = 30.0
    """How long a body may take to come; at 4 Mbit/s the largest does."""
    image_px: int = 64 * 10**6
    """Width times height; decoded it takes three bytes a pixel. Cameras of phones end at 50 to 200 Mpx, most at 12."""
    json_values: int = 1_500_000
    """Values in a JSON body, which take up to 100 bytes each; the elements of 3 x 640 x 640 pixels are 1.2 million."""
    streams: int = 256
    """Sessions of streams that may be open at once; their frames count against `workers` and `queue` as requests do."""
