"""What tells one build of a service from another."""

import re

_MAX_CHARS = 64


def label(text: str) -> str:
    """The closest to a text that the broker takes for a name (`astraea.protocol.instance.Label`)."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:_MAX_CHARS].strip("._-") or "unnamed"


def next_revision(version: str, before: str, loads: int) -> str:
    """What to call what was loaded in the place of another.

    Args:
        version: Of the template now.
        before: Of the template that the last one was loaded by.
        loads: How many were loaded before; tells builds of one version apart.
    """
    return label(version) if version != before else f"{label(version)}-reload{loads}"
