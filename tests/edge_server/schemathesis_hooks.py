"""How schemathesis writes the bodies of WHIP; it takes this module from `SCHEMATHESIS_HOOKS`."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def serialize_text(_context: Any, text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode(errors="replace")
