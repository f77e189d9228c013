"""The device, the edge and the frames of a simulation."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import SimulationError

_MOST_BYTES = 64 * 1024


class Profile(BaseModel):
    """What the parties take for a frame. The defaults are a Raspberry Pi 4 with a small YOLO, beside a server's GPU."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    local_ms: float = Field(default=450.0, gt=0, le=1e6)
    """Inference on the device."""
    edge_ms: float = Field(default=12.0, ge=0, le=1e6)
    """The server's own time for a frame."""
    encode_ms: float = Field(default=6.0, ge=0, le=1e6)
    rtt_ms: float = Field(default=40.0, ge=0, le=1e5)
    """Round trip time where the trace has none."""
    frame_bytes: int = Field(default=45_000, ge=1, le=10**8)
    """An encoded frame's size."""
    fps: float = Field(default=10.0, gt=0, le=1000)
    deadline_ms: float = Field(default=500.0, gt=0, le=1e6)
    """An answer later than this counts as a miss; by default one that the device alone meets."""

    @property
    def frame_every_s(self) -> float:
        """Time between two captures."""
        return 1 / self.fps


def read_profile(path: Path) -> Profile:
    """Read a profile from YAML or JSON; keys that it does not name have their defaults.

    Raises:
        SimulationError: the message names the file, the key and its value, or the line that is no YAML.
    """
    try:
        with path.open("rb") as file:
            document = yaml.safe_load(file.read(_MOST_BYTES).decode("utf-8"))
        return Profile.model_validate({} if document is None else document)
    except OSError as error:
        raise SimulationError(f"{path} can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SimulationError(f"{path} is neither YAML nor JSON: {_place(error)}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "it"
        keys = ", ".join(Profile.model_fields)
        raise SimulationError(
            f"{path}: {key} is {str(first['input'])[:80]!r}: {first['msg']}", hint=f"the keys are {keys}"
        ) from None


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {problem}" if mark else problem
