"""One id from a frame's capture to the server's log: https://www.w3.org/TR/trace-context/."""

from random import getrandbits

TRACE_HEADER = "traceparent"


def new_trace_id() -> str:
    """32 random hexadecimal digits."""
    return f"{getrandbits(128) or 1:032x}"


def traceparent(trace_id: str) -> str:
    """The header's value for one request of a trace; its span is a new one, and asks to be recorded."""
    return f"00-{trace_id}-{getrandbits(64) or 1:016x}-01"
