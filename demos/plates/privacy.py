"""What is shown and logged of a plate: all of it, a part of it, or only whether it is the same one as before. Pure."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from enum import StrEnum

_FIRST, _LAST = 1, 2
_HASH_DIGITS = 16


class Privacy(StrEnum):
    """How much of a plate leaves the program."""

    SHOW = "show"
    """The text as it was read."""
    MASK = "mask"
    """The first character and the last two: enough to tell apart the cars in view, too little to find an owner."""
    HASH = "hash"
    """A number that is the same for the same text in this run, and in no other."""

    @property
    def past(self) -> str:
        """As what plates are then."""
        return {Privacy.SHOW: "shown", Privacy.MASK: "masked", Privacy.HASH: "hashed"}[self]


def protector(privacy: Privacy) -> Callable[[str], str]:
    """What makes of a plate's text that which may be shown and logged."""
    match privacy:
        case Privacy.SHOW:
            return str
        case Privacy.MASK:
            return mask
        case Privacy.HASH:
            return KeyedHash(secrets.token_bytes(32))


def mask(text: str) -> str:
    """`A1B23` as `A**23`; of a text with no more than three characters nothing is left."""
    hidden = len(text) - _FIRST - _LAST
    if hidden <= 0:
        return "*" * len(text)
    return text[:_FIRST] + "*" * hidden + text[-_LAST:]


class KeyedHash:
    """HMAC-SHA-256 (RFC 2104), its first 64 bits in hexadecimal.

    There are few enough plates to try them all, so a hash without a key would hide nothing; who lets go of the key
    makes the hashes final.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, text: str) -> str:
        """The hash of a text."""
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:_HASH_DIGITS]
