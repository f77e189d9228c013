"""How a registry is told who asks: Basic, or a token that it names the issuer of.

https://distribution.github.io/distribution/spec/auth/token/
"""

import base64
import json
import math
import re
import threading
import time
from collections.abc import Generator
from typing import NamedTuple

import httpx

from ..errors import RegistryError
from .credentials import Credentials

_LIFE_S = 60
"""Of a token whose issuer doesn't tell, as the specification has it."""
_PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')


class _Answer(NamedTuple):
    """What a challenge is answered with."""

    header: str
    renewed_at_s: float
    """Monotonic: from half of its life on it begins nothing, so that what is begun with it can be ended with it."""


class RegistryAuth(httpx.Auth):
    """Answers a registry's challenges, and remembers its tokens by scope.

    Args:
        credentials: None to be anybody, which is enough to pull what is public.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._answers: dict[str, _Answer] = {}
        """What was accepted, by what it was for."""
        self._lock = threading.Lock()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        # A blob can't be sent again: the POST that begins its upload answers the challenge for its PUT.
        is_repeatable = isinstance(request.stream, httpx.ByteStream)
        access = "pull" if request.method in {"GET", "HEAD"} else "push"
        purpose = f"{access} {request.url.path.partition('/blobs/')[0].partition('/manifests/')[0]}"
        with self._lock:
            known = self._answers.get(purpose)
        if known is not None and (not is_repeatable or time.monotonic() < known.renewed_at_s):
            request.headers["authorization"] = known.header
        reply = yield request
        if reply.status_code != httpx.codes.UNAUTHORIZED or not is_repeatable:
            return
        scheme, _, parameters = reply.headers.get("www-authenticate", "").partition(" ")
        if scheme.lower() == "basic" and self._credentials is not None:
            answer = _Answer(self._basic(self._credentials), math.inf)
        elif scheme.lower() == "bearer":
            ask = self._token_request(dict(_PARAMETER.findall(parameters)))
            ask.extensions = request.extensions  # timeouts
            answer = _bearer((yield ask))
        else:
            return
        request.headers["authorization"] = answer.header
        with self._lock:
            self._answers[purpose] = answer
        yield request

    def _token_request(self, challenge: dict[str, str]) -> httpx.Request:
        realm = challenge.get("realm", "")
        if not realm.startswith(("https://", "http://")):
            raise RegistryError(f"the registry names {realm!r} as the issuer of tokens, which is no address")
        service, scope = challenge.get("service", ""), challenge.get("scope", "")
        if self._credentials is not None and self._credentials.username == "<token>":
            form = {"grant_type": "refresh_token", "refresh_token": self._credentials.password.get_secret_value()}
            data = {**form, "service": service, "scope": scope, "client_id": "astraea"}
            return httpx.Request("POST", realm, data=data)
        headers = {} if self._credentials is None else {"authorization": self._basic(self._credentials)}
        return httpx.Request("GET", realm, params={"service": service, "scope": scope.split()}, headers=headers)

    @staticmethod
    def _basic(credentials: Credentials) -> str:
        pair = f"{credentials.username}:{credentials.password.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _bearer(reply: httpx.Response) -> _Answer:
    try:
        document = json.loads(reply.raise_for_status().read())
        token = document.get("token") or document["access_token"]
        life_s = float(document.get("expires_in", _LIFE_S))
    except (httpx.HTTPStatusError, ValueError, LookupError, AttributeError, TypeError):
        raise RegistryError(
            f"{reply.url.host} gives no token: {reply.status_code} {reply.reason_phrase}",
            hint="`docker login` with a user who may, or check the password",
        ) from None
    return _Answer(f"Bearer {token}", time.monotonic() + life_s / 2)
