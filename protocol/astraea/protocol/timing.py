"""How long a server took for each stage of an answer: the W3C `Server-Timing` header.

https://www.w3.org/TR/server-timing/
"""

import re

from pydantic import BaseModel, ConfigDict, Field

from .errors import TimingError

_METRIC = re.compile(r"^\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?P<params>(?:;[^;]*)*)$")
_MAX_HEADER_CHARS = 4096  # a peer's header is outside input; ours has about 100


class ServerTiming(BaseModel):
    """Milliseconds spent by an edge server, from the request's last byte to the reply's first."""

    model_config = ConfigDict(frozen=True)

    decode_ms: float = Field(default=0.0, ge=0)
    queue_ms: float = Field(default=0.0, ge=0)
    infer_ms: float = Field(default=0.0, ge=0)
    post_ms: float = Field(default=0.0, ge=0)
    total_ms: float = Field(default=0.0, ge=0)
    """The whole of it, the stages and what lies between them; what a device subtracts to know its link."""

    def to_header(self) -> str:
        """The header's value, e.g. `decode;dur=1.204, queue;dur=0.000, ...`."""
        return ", ".join(f"{field.removesuffix('_ms')};dur={value:.3f}" for field, value in self)

    @classmethod
    def from_header(cls, header: str) -> "ServerTiming":
        """Read a header's value; metrics of other names are passed over, as the specification asks.

        Raises:
            TimingError: the text does not follow the grammar, or a duration is no number >= 0.
        """
        if len(header) > _MAX_HEADER_CHARS:
            raise TimingError(f"Server-Timing has {len(header)} characters, more than {_MAX_HEADER_CHARS}")
        durations: dict[str, float] = {}
        for metric in filter(str.strip, header.split(",")):
            match = _METRIC.match(metric)
            if match is None:
                raise TimingError(f"Server-Timing has {metric.strip()!r}, not 'name;dur=milliseconds'")
            field = f"{match['name']}_ms"
            if field in cls.model_fields:
                durations[field] = _duration(match["params"])
        return cls(**durations)


def _duration(params: str) -> float:
    for param in params.split(";"):
        key, _, value = param.partition("=")
        if key.strip().lower() == "dur":
            try:
                duration = float(value.strip().strip('"'))
            except ValueError:
                duration = -1.0
            if not 0 <= duration < float("inf"):
                raise TimingError(f"Server-Timing has dur={value.strip()!r}, not a number of milliseconds >= 0")
            return duration
    return 0.0
