"""Who may ask: a bearer token (RFC 6750) that is the instance's own key, or that its broker has signed.

The broker's tokens are JSON Web Tokens (RFC 7519), signed with Ed25519 and checked here, without asking anyone: their
audience is the service's name, and they expire. Devices' have no `roles`, operators' those whose rights they bring.
The keys to check them by are a JSON Web Key Set (RFC 7517), a file or
a URL, read again every few minutes and soon after a token names a key that isn't among them: a broker that changes its
key publishes the new one a little before it signs with it, and the old one until its last token has expired.
"""

import asyncio
import hmac
import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from time import time
from typing import Any, NamedTuple

import httpx
import jwt
from jwt.exceptions import PyJWKError, PyJWTError
from pydantic import SecretStr

from astraea.protocol.broker_api import Role

from .errors import ForbiddenError, OptionError, UnauthorizedError

_logger = logging.getLogger(__name__)

_ALGORITHM = "EdDSA"
_MAX_TOKEN_BYTES = 4096
_REMEMBERED = 4096  # tokens; checking a signature takes 0.1 ms, remembering that it was good 1 us
_REMEMBERED_S = 60.0
_REFRESH_S = 300.0
_SOONEST_REFRESH_S = 5.0  # whatever tokens with unknown keys come in
_FETCH_TIMEOUT_S = 5.0
_MAX_KEY_SET_BYTES = 256 * 1024


class KeySet:
    """The keys that the broker signs with, by their ids.

    Args:
        source: A file or an http(s) URL.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.read = asyncio.Event()
        """Set once there are keys to check tokens by."""
        self._keys: dict[str, jwt.PyJWK] = {}
        self._wanted = asyncio.Event()

    def find(self, key_id: Any) -> jwt.PyJWK | None:
        """A key; if it isn't there, the set is read again soon."""
        key = self._keys.get(key_id) if isinstance(key_id, str) else None
        if key is None:
            self._wanted.set()
        return key

    async def refresh(self) -> None:
        """Read the set anew.

        Raises:
            ValueError, OSError, httpx.HTTPError: It can't be had, or is none; the keys stay as they were.
        """
        self._wanted.clear()
        self._keys = _signing_keys(json.loads(await self._read()))
        self.read.set()

    async def keep_fresh(self) -> None:
        """Read it every now and then, for ever; a source that is away is logged, and the last keys go on being used."""
        while True:
            try:
                await self.refresh()
            except (OSError, ValueError, httpx.HTTPError) as error:
                _logger.warning("no keys from %s: %s", self.source, str(error) or type(error).__name__)
                if not self._keys:
                    self._wanted.set()
            await asyncio.sleep(_SOONEST_REFRESH_S)
            try:
                async with asyncio.timeout(_REFRESH_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def _read(self) -> bytes:
        if not self.source.startswith(("http://", "https://")):
            return await asyncio.to_thread(Path(self.source).read_bytes)
        async with httpx.AsyncClient(timeout=_FETCH_TIMEOUT_S) as client:
            response = await client.get(self.source)
            response.raise_for_status()
        if len(response.content) > _MAX_KEY_SET_BYTES:
            raise ValueError(f"{len(response.content)} bytes are no key set")
        return response.content


def _signing_keys(document: Any) -> dict[str, jwt.PyJWK]:
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        raise ValueError("it has no list `keys`")  # noqa: TRY004 - the content is wrong, not a caller's type
    keys = {}
    for entry in entries:
        if isinstance(entry, dict) and entry.get("crv") == "Ed25519" and isinstance(entry.get("kid"), str):
            try:
                keys[entry["kid"]] = jwt.PyJWK({name: entry[name] for name in entry if name != "d"}, _ALGORITHM)
            except (PyJWKError, PyJWTError) as error:
                raise ValueError(f"key {entry['kid']!r}: {error}") from None
    if not keys:
        raise ValueError("it has no Ed25519 key with a `kid`")
    return keys


class _Rights(NamedTuple):
    """What a good token is good for."""

    until_s: float
    """Seconds since 1970."""
    roles: Collection[Any]


class Guard:
    """Lets requests pass that bring a good token.

    Args:
        service: The audience that a signed token must be for.
        key: The instance's own key; None if there is none.
        keys: Those of the broker; None if it signs no tokens.
    """

    def __init__(self, service: str, key: SecretStr | None = None, keys: KeySet | None = None) -> None:
        self.keys = keys
        self._service = service
        self._key = key
        self._known: dict[bytes, _Rights] = {}

    def check(self, authorization: bytes | None, role: Role | None = None) -> None:
        """Check the value of a request's `Authorization` header.

        Args:
            authorization: The value; None without such a header.
            role: Whose rights the request needs; None for what devices may. The instance's own key has all of them.

        Raises:
            UnauthorizedError: There is none, or it is not good; why not is said only as far as it helps its owner.
            ForbiddenError: It is good, but doesn't bring these rights.
        """
        token = _token(authorization)
        if self._key is not None and hmac.compare_digest(token, self._key.get_secret_value().encode()):
            return
        now_s = time()  # the clock that tokens are dated by
        rights = self._known.get(token)
        if rights is None or rights.until_s < now_s:
            rights = self._verify(token)
            self._remember(token, rights, now_s)
        if role is not None and role not in rights.roles:
            raise ForbiddenError(f"this needs a token of the role {role}, or the instance's own key")

    def _verify(self, token: bytes) -> _Rights:
        if self.keys is None or len(token) > _MAX_TOKEN_BYTES:
            raise UnauthorizedError("the token is not good")
        try:
            key = self.keys.find(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise UnauthorizedError("the token is signed with a key that isn't known")
            claims = jwt.decode(
                token, key, algorithms=[_ALGORITHM], audience=self._service, options={"require": ["exp", "aud"]}
            )
        except jwt.ExpiredSignatureError:
            raise UnauthorizedError("the token has expired") from None
        except jwt.InvalidAudienceError:
            raise UnauthorizedError("the token is for another service") from None
        except (PyJWTError, ValueError):
            raise UnauthorizedError("the token is not good") from None
        roles = claims.get("roles")
        return _Rights(float(claims["exp"]), roles if isinstance(roles, list) else ())

    def _remember(self, token: bytes, rights: _Rights, now_s: float) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        # Not for long, so that a key that was taken out of the set soon has no effect any more.
        self._known[token] = rights._replace(until_s=min(rights.until_s, now_s + _REMEMBERED_S))


def _token(authorization: bytes | None) -> bytes:
    scheme, _, token = (authorization or b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise UnauthorizedError("a bearer token is needed")
    return token


def read_key(path: Path, option: str = "--api-key-file") -> SecretStr:
    """The key in a file, which is all of its text; `option` is what named the file.

    Raises:
        OptionError: It can't be read, or has no key of a length that can't be guessed.
    """
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise OptionError(f"{option}: can't read {path}: {reason}") from None
    return check_key(key)


def check_key(key: str) -> SecretStr:
    """A key, if it is fit to be one.

    Raises:
        OptionError: It is too short to be safe, or has characters that no header can carry.
    """
    if len(key) < 16 or not key.isascii() or any(character.isspace() for character in key):
        raise OptionError(
            "the key must have 16 ASCII characters or more, none of them a space",
            hint="make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return SecretStr(key)
