"""One id from a device's capture to the server's log: https://www.w3.org/TR/trace-context/."""

import re
from collections.abc import Mapping

TRACE_HEADER = b"traceparent"
# Version, trace id, parent id, flags; neither id all zeros.
_TRACE_PARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def trace_of(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The trace context that a request brings; None if it brings none, or what is none (which the standard ignores)."""
    value = headers.get(TRACE_HEADER)
    return value if value is not None and _TRACE_PARENT.fullmatch(value) else None


def trace_id(trace: bytes | None) -> str | None:
    """The id of a trace, as the log has it."""
    return None if trace is None else trace.split(b"-")[1].decode()
