"""What a check found."""

from typing import Literal, NamedTuple

from astraea.protocol import AstraeaError

Status = Literal["ok", "warning", "failed"]


class Finding(NamedTuple):
    """One thing that was looked at."""

    subject: str
    """What, in a word or two."""
    status: Status
    """`warning`: it works, but less well than it could."""
    text: str
    """How it is."""
    hint: str | None = None
    """What to do, where there is something to do."""

    @classmethod
    def failure(cls, subject: str, error: AstraeaError) -> "Finding":
        """An error as a finding."""
        return cls(subject, "failed", str(error), error.hint)
