"""What was measured of a device, an edge and their frames before anything is decided: the profile.

`astraea profile` writes one; the policy starts from it, and the simulator plays with it. The format is JSON (or YAML),
described in docs/how-it-decides.md.
"""

from functools import cached_property
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .encoding import DEFAULT_QUALITY, Encoding, Size
from .errors import ProfileError

_MOST_BYTES = 64 * 1024
LEAST_SIDE = 16
"""Of an image that is worth sending, in pixels."""
_BITS_PER_BYTE = 8
_LEAST_MS = 0.01


_LADDER = (
    (None, 85, 1.0, 0.428),
    (None, 35, 0.36, 0.406),
    (480, 60, 0.297, 0.401),
    (384, 60, 0.206, 0.381),
    (320, 60, 0.157, 0.350),
    (320, 35, 0.113, 0.317),
    (256, 35, 0.079, 0.247),
    (192, 35, 0.052, 0.131),
)
"""Where nobody has measured: longer side, quality, share of the full quality's bytes, mAP@0.5. By `astraea profile` for
Yolo-Fastest 1.1-xl on 41 COCO photos of mostly 640 x 480 pixels, those of its rungs that lie apart."""
_LOCAL_ACCURACY = 0.280
"""Of Yolo-Fastest 1.1 on the same photos."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rung(_Part):
    """One encoding of the ladder, and what a frame takes in it."""

    max_side: int | None = Field(default=None, ge=LEAST_SIDE, le=65_535)
    """The longer side in pixels; None for the size that the camera has."""
    quality: int = Field(default=DEFAULT_QUALITY, ge=1, le=100)
    bytes: int = Field(ge=1, le=10**8)
    """A frame's mean size."""
    encode_ms: float = Field(ge=0, le=1e6)
    """Scaling and compressing it on the device."""
    edge_ms: float = Field(ge=0, le=1e6)
    """The server's own time for it."""
    local_ms: float | None = Field(default=None, gt=0, le=1e6)
    """What the device's own model takes for a picture of that size; None where there is none."""
    accuracy: float = Field(ge=0, le=1)
    """Of the edge's answers: mAP@0.5 against labels, or agreement with the answer to the full quality."""

    @cached_property
    def encoding(self) -> Encoding:
        """The rung as what a codec is told."""
        return Encoding(self.quality, self.max_side)

    def timed(self) -> "Rung":
        """Itself with no time so short that nothing can be a multiple of it."""
        encode_ms, edge_ms = max(self.encode_ms, _LEAST_MS), max(self.edge_ms, _LEAST_MS)
        return self.model_copy(update={"encode_ms": encode_ms, "edge_ms": edge_ms})


class PowerModel(_Part):
    """What the device draws. The energy of an answer is what it draws until the answer is there.

        device: compute_w * inference
        remote: compute_w * encode + idle_w * (the rest of the time) + radio_w * upload + radio_j_per_mbit * size

    After K. Kumar and Y.-H. Lu, "Cloud Computing for Mobile Users: Can Offloading Computation Save Energy?" (IEEE
    Computer 43(4), 2010), whose one power of sending is split into what the radio draws while it is on and what each
    bit adds (J. Huang et al., "A Close Examination of Performance and Power Characteristics of 4G LTE Networks",
    MobiSys 2012).
    """

    idle_w: float = Field(default=2.7, ge=0, le=1e4)
    """Of a Raspberry Pi 4 B that waits: 540 mA at 5 V, and with all cores busy 1280 mA (J. Geerling, Raspberry Pi
    Dramble, "Power Consumption Benchmarks")."""
    compute_w: float = Field(default=6.4, ge=0, le=1e4)
    radio_w: float = Field(default=1.288, ge=0, le=1e4)
    """On top, while an upload lasts: a phone's LTE radio of 2012, for which Huang et al. are cited with 1288 mW..."""
    radio_j_per_mbit: float = Field(default=0.438, ge=0, le=1e4)
    """...and with 438.39 mW for each Mbit/s, as many mJ for 10^6 bits. Good for ratios only: measure your own radio."""

    def local_j(self, ms: float) -> float:
        """An answer of the device."""
        return self.compute_w * ms / 1000

    def remote_j(self, *, encode_ms: float, upload_ms: float, total_ms: float, size_bytes: float) -> float:
        """An answer of a remote target, of which encoding and sending are a part."""
        sending_j = self.radio_w * upload_ms / 1000 + self.radio_j_per_mbit * size_bytes * _BITS_PER_BYTE / 1e6
        return (self.compute_w * encode_ms + self.idle_w * max(0.0, total_ms - encode_ms)) / 1000 + sending_j


class Price(_Part):
    """What an answer of a remote target costs, in any one currency."""

    per_cpu_hour: float = Field(default=0.0, ge=0, le=1e6)
    """Of the server's own time."""
    per_gb: float = Field(default=0.0, ge=0, le=1e6)
    """Of 10^9 bytes sent to it."""

    def of(self, *, server_ms: float, size_bytes: float) -> float:
        """One frame's."""
        return self.per_cpu_hour * server_ms / 3_600_000 + self.per_gb * size_bytes / 1e9


class Profile(_Part):
    """What the parties take for a frame. The defaults are a Raspberry Pi 4 with a small YOLO, beside a server's GPU."""

    local_ms: float = Field(default=450.0, gt=0, le=1e6)
    """Inference on the device."""
    local_accuracy: float = Field(default=_LOCAL_ACCURACY, ge=0, le=1)
    """Of the device's own answers, measured as that of the rungs is."""
    edge_ms: float = Field(default=12.0, ge=0, le=1e6)
    """The server's own time for a frame at full quality."""
    encode_ms: float = Field(default=6.0, ge=0, le=1e6)
    rtt_ms: float = Field(default=40.0, ge=0, le=1e5)
    """Round trip time where the trace has none."""
    frame_bytes: int = Field(default=45_000, ge=1, le=10**8)
    """A frame's size at full quality."""
    width: int = Field(default=640, ge=1, le=65_535)
    """Of the frames measured, in pixels."""
    height: int = Field(default=480, ge=1, le=65_535)
    fps: float = Field(default=10.0, gt=0, le=1000)
    deadline_ms: float = Field(default=500.0, gt=0, le=1e6)
    """An answer later than this counts as a miss; by default one that the device alone meets."""
    rungs: tuple[Rung, ...] = Field(default=(), max_length=32)
    """The encodings measured, in any order. Without any, a ladder measured elsewhere is scaled by the keys above."""
    power: PowerModel = PowerModel()
    video_loss: float = Field(default=0.005, ge=0, le=1)
    """How much less accurate answers to a video are than to full quality: by `python -m benchmarks.transports`, some
    tenths of a point. With 1, none is sent as a video."""
    price: Price = Price()
    """Of the edge, where no broker tells its price."""

    @property
    def frame_every_s(self) -> float:
        """Time between two captures."""
        return 1 / self.fps

    @property
    def size(self) -> Size:
        """Of a frame."""
        return Size(self.width, self.height)

    @property
    def ladder(self) -> tuple[Rung, ...]:
        """The rungs to choose among, at least one, by bytes: each is more accurate than all that take fewer."""
        front: list[Rung] = []
        for rung in sorted(self.rungs or self._usual_rungs(), key=lambda rung: (rung.bytes, -rung.accuracy)):
            if not front or rung.accuracy > front[-1].accuracy:
                front.append(rung.timed())
        return tuple(front)

    def _usual_rungs(self) -> list[Rung]:
        return [
            Rung(
                max_side=side,
                quality=quality,
                bytes=max(1, round(share * self.frame_bytes)),
                encode_ms=self.encode_ms,
                edge_ms=self.edge_ms,
                accuracy=accuracy,
            )
            for side, quality, share, accuracy in _LADDER
        ]


def read_profile(path: Path) -> Profile:
    """Read a profile from YAML or JSON; keys that it does not name have their defaults.

    Raises:
        ProfileError: the message names the file, the key and its value, or the line that is no YAML.
    """
    try:
        with path.open("rb") as file:
            document = yaml.safe_load(file.read(_MOST_BYTES).decode("utf-8"))
        return Profile.model_validate({} if document is None else document)
    except OSError as error:
        raise ProfileError(f"{path} can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProfileError(f"{path} is neither YAML nor JSON: {_place(error)}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "it"
        keys = ", ".join(Profile.model_fields)
        raise ProfileError(
            f"{path}: {key} is {str(first['input'])[:80]!r}: {first['msg']}", hint=f"the keys are {keys}"
        ) from None


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {problem}" if mark else problem
