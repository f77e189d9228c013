"""The bodies of WHIP's requests: what an offer must have, and what trickles in after it (RFC 8840)."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import BadInputError

SDP_MEDIA_TYPE = "application/sdp"
FRAGMENT_MEDIA_TYPE = "application/trickle-ice-sdpfrag"
MAX_SDP_BYTES = 64 * 1024
"""A browser's offer of one camera has 6 kB, of everything it can some 20."""
_MAX_CANDIDATES = 64
_CREDENTIAL = re.compile(r"[A-Za-z0-9+/]{4,256}")  # RFC 8839, 5.4


class Fragment(NamedTuple):
    """Part of a session description that has to do with ICE."""

    ufrag: str | None
    pwd: str | None
    candidates: tuple[tuple[str | None, str], ...]
    """The `mid` of the section that each belongs to, and what follows `candidate:`."""
    complete: bool
    """Whether no more candidates follow."""


def parse_fragment(body: bytes) -> Fragment:
    """Read an `application/trickle-ice-sdpfrag`.

    Raises:
        BadInputError: It is none; the message says what of it.
    """
    ufrag = pwd = mid = None
    candidates: list[tuple[str | None, str]] = []
    complete = False
    for line in _lines(body):
        name, _, value = line.partition(":")
        if name == "a=ice-ufrag":
            ufrag = _credential(line, value)
        elif name == "a=ice-pwd":
            pwd = _credential(line, value)
        elif name == "a=mid":
            mid = value
        elif name == "a=candidate":
            candidates.append((mid, value))
        elif name == "a=end-of-candidates":
            complete = True
        elif not re.match(r"[a-z]=", line):
            raise BadInputError(f"the fragment has {line[:60]!r}, which is no line of SDP")
    if len(candidates) > _MAX_CANDIDATES:
        raise BadInputError(f"the fragment has {len(candidates)} candidates; at most {_MAX_CANDIDATES} are taken")
    return Fragment(ufrag, pwd, tuple(candidates), complete)


def write_fragment(ufrag: str, pwd: str, candidates: Sequence[str]) -> str:
    """An `application/trickle-ice-sdpfrag` of a whole ICE session; candidates as what follows `candidate:`."""
    lines = [
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        "m=video 9 UDP/TLS/RTP/SAVPF 0",
        "a=mid:0",
        *(f"a=candidate:{candidate}" for candidate in candidates),
        "a=end-of-candidates",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def check_offer(body: bytes) -> str:
    """The text of an offer that has what makes it worth parsing.

    Raises:
        BadInputError: It is none; the message says what of it.
    """
    lines = _lines(body)
    if not lines or lines[0] != "v=0":
        raise BadInputError("the body is no session description: it doesn't begin with v=0")
    kinds = [line[2:].partition(" ")[0] for line in lines if line.startswith("m=")]
    if kinds.count("video") != 1:
        raise BadInputError(f"an offer must have one video, not {kinds.count('video')}")
    if kinds.count("audio") > 1 or kinds.count("application") > 1 or len(kinds) > 3:
        raise BadInputError(
            f"an offer may have one video, one audio and one data channel section, not {', '.join(kinds[:9])}"
        )
    if sum(line.startswith("a=candidate:") for line in lines) > _MAX_CANDIDATES:
        raise BadInputError(f"the offer has more than {_MAX_CANDIDATES} candidates")
    return "\r\n".join(lines) + "\r\n"


def _lines(body: bytes) -> list[str]:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadInputError(f"SDP is UTF-8, which byte {error.start} is not") from None
    return [line for line in text.replace("\r\n", "\n").split("\n") if line]


def _credential(line: str, value: str) -> str:
    if not _CREDENTIAL.fullmatch(value):
        raise BadInputError(f"{line[:60]!r} has characters that ICE doesn't know")
    return value
