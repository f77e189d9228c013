"""Keys and codes: made here, told once, kept as hashes.

They are random and long, so a plain hash can't be turned back; slow hashes are for passwords that people choose. The
part before the dot names the record that has the hash, so that checking takes one look-up whatever there is.
"""

import hmac
import secrets
from hashlib import sha256

_ID_BYTES, _SECRET_BYTES = 6, 24
_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # none that look alike: people type codes
_CODE_CHARACTERS = 12


def new_key(prefix: str) -> tuple[str, str, str]:
    """A new key: its id, the whole of it, and the hash to keep."""
    key_id = f"{prefix}{secrets.token_hex(_ID_BYTES)}"
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return key_id, f"{key_id}.{secret}", digest(secret)


def split_key(key: str) -> tuple[str, str]:
    """A key's id and its secret part; empty for what is no key."""
    key_id, _, secret = key.partition(".")
    return key_id, secret


def new_code() -> str:
    """A code of 59 random bits for a person to type: `ABCD-EFGH-JKMN`."""
    drawn = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_CHARACTERS))
    return "-".join(drawn[start : start + 4] for start in range(0, _CODE_CHARACTERS, 4))


def tidy_code(typed: str) -> str:
    """A code as it was made, however it was typed."""
    return typed.strip().upper()


def digest(secret: str) -> str:
    """The hash that is kept of a secret."""
    return sha256(secret.encode(errors="surrogatepass")).hexdigest()


def matches(secret: str, kept: str) -> bool:
    """Whether a secret is the one whose hash was kept; takes as long for wrong ones as for right ones."""
    return hmac.compare_digest(digest(secret), kept)
