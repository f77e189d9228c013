"""How long a client still waits: the header `Astraea-Deadline-Ms`.

Its value is the milliseconds, counted from sending the request, after which an answer is of no use. A request that
can't be answered by then is refused at once, before its body is read, or later dropped before any work is done on it.
The server doesn't see the way of the request's first byte and of the answer: it keeps a tenth of the time for them.
"""

import math
from collections.abc import Mapping

from .errors import BadInputError

DEADLINE_HEADER = b"astraea-deadline-ms"
_OWN_SHARE = 0.9
_MAX_DIGITS = 9  # eleven days


def deadline_of(headers: Mapping[bytes, bytes], now_s: float) -> float:
    """When the answer to a request that began to arrive now must be made; infinity when it doesn't say.

    Raises:
        BadInputError: The header is no whole number of milliseconds.
    """
    value = headers.get(DEADLINE_HEADER)
    if value is None:
        return math.inf
    if not value.isdigit() or len(value) > _MAX_DIGITS:
        raise BadInputError(f"Astraea-Deadline-Ms is {value[:20].decode('latin-1')!r}, not whole milliseconds")
    return now_s + _OWN_SHARE * int(value) / 1e3
