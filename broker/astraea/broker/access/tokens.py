"""Short-lived tokens for devices and operators, which edge servers check without asking anyone.

JSON Web Tokens (RFC 7519) signed with Ed25519 (`EdDSA`, RFC 8037); the audience is the service, the subject who asked.
Operators' have `roles` (RFC 9068, section 2.2.3.1), devices' have none.
The public keys are at `/.well-known/jwks.json` (RFC 7517). Rotation takes no downtime: a new key is published at once
and signs only after edge servers have had time to read it; the one before stays published until its last token is over.
"""

import base64
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

from astraea.protocol.broker_api import Role

ALGORITHM = "EdDSA"
LIFETIME_S = 900.0
PUBLISHED_BEFORE_S = 600.0
"""Edge servers read the keys every five minutes: after this time they have the new one."""
ISSUER = "astraea-broker"
_REMEMBERED = 20_000


class SigningKey(BaseModel):
    """A key that signs tokens; in the store as it is here."""

    model_config = ConfigDict(frozen=True)

    private: SecretStr
    """Ed25519, the 32 raw bytes in base64url."""
    created_at: float
    """Seconds since 1970."""

    @field_serializer("private", when_used="json")
    def _in_the_store(self, private: SecretStr) -> str:
        return private.get_secret_value()

    @classmethod
    def generate(cls, now_s: float) -> "SigningKey":
        """A new key."""
        raw = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return cls(private=SecretStr(base64.urlsafe_b64encode(raw).decode()), created_at=now_s)

    def load(self) -> Ed25519PrivateKey:
        """The key to sign with."""
        return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(self.private.get_secret_value()))


class Token(NamedTuple):
    """A token, and until when it is good, in seconds since 1970."""

    text: str
    expires_s: float


class Tokens:
    """Signs tokens with the newest key that edge servers can know.

    Args:
        keys: the signing keys by id, whatever they are at the moment.
        clock: seconds since 1970.
    """

    def __init__(self, keys: Callable[[], dict[str, SigningKey]], clock: Callable[[], float]) -> None:
        self._keys = keys
        self._clock = clock
        self._signed: OrderedDict[tuple[str, str, str, tuple[Role, ...]], Token] = OrderedDict()
        self._loaded: dict[str, Ed25519PrivateKey] = {}

    def sign(self, service: str, subject: str, roles: tuple[Role, ...] = ()) -> Token | None:
        """A token to use a service, good for at least half of its lifetime; None without any key.

        Args:
            service: the only one that it is for.
            subject: a device, or an operator.
            roles: an operator's, where the token is to bring their rights.
        """
        now_s = self._clock()
        key_id = self._signing_key_id(now_s)
        if key_id is None:
            return None
        wanted = (key_id, service, subject, roles)
        known = self._signed.get(wanted)
        if known is None or known.expires_s - now_s < LIFETIME_S / 2:
            known = self._signed[wanted] = self._sign(*wanted, now_s)
            if len(self._signed) > _REMEMBERED:
                self._signed.popitem(last=False)
        return known

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public halves of all keys, as a JSON Web Key Set."""
        return {"keys": [_public(key_id, self._private(key_id)) for key_id in sorted(self._keys())]}

    def outlived(self) -> Iterable[str]:
        """Ids of the keys whose last token is over, since a newer one has signed for longer than tokens live."""
        by_age = sorted(self._keys().items(), key=lambda item: item[1].created_at)
        for (key_id, _), (_, newer) in pairwise(by_age):
            if newer.created_at + PUBLISHED_BEFORE_S + LIFETIME_S < self._clock():
                yield key_id

    def _signing_key_id(self, now_s: float) -> str | None:
        by_age = sorted(self._keys().items(), key=lambda item: item[1].created_at)
        published = [key_id for key_id, key in by_age if key.created_at + PUBLISHED_BEFORE_S <= now_s]
        if published:
            return published[-1]
        return by_age[0][0] if by_age else None  # the very first: nobody has an older one

    def _sign(self, key_id: str, service: str, subject: str, roles: tuple[Role, ...], now_s: float) -> Token:
        expires_s = now_s + LIFETIME_S
        claims = {"iss": ISSUER, "aud": service, "sub": subject, "iat": int(now_s), "exp": int(expires_s)}
        if roles:
            claims["roles"] = roles
        text = jwt.encode(claims, self._private(key_id), algorithm=ALGORITHM, headers={"kid": key_id})
        return Token(text, expires_s)

    def _private(self, key_id: str) -> Ed25519PrivateKey:
        if key_id not in self._loaded:
            self._loaded[key_id] = self._keys()[key_id].load()
        return self._loaded[key_id]


def _public(key_id: str, private: Ed25519PrivateKey) -> dict[str, Any]:
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": key_id, "x": x}
