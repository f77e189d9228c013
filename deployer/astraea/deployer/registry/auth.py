"""How a registry is told who asks: Basic, or a token that it names the issuer of.

https://distribution.github.io/distribution/spec/auth/token/
"""

import base64
import re
import threading
from collections.abc import Generator

import httpx

from ..errors import RegistryError
from .credentials import Credentials

_PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')


class RegistryAuth(httpx.Auth):
    """Answers a registry's challenges, and remembers its tokens by scope.

    Args:
        credentials: None to be anybody, which is enough to pull what is public.
    """

    requires_response_body = True

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._headers: dict[str, str] = {}
        """What was accepted, by what it was for."""
        self._lock = threading.Lock()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        # A body can't be sent again: the POST that begins an upload answers the challenge for its PUT.
        access = "pull" if request.method in {"GET", "HEAD"} else "push"
        purpose = f"{access} {request.url.path.partition('/blobs/')[0].partition('/manifests/')[0]}"
        with self._lock:
            known = self._headers.get(purpose)
        if known is not None:
            request.headers["authorization"] = known
        reply = yield request
        if reply.status_code != httpx.codes.UNAUTHORIZED:
            return
        scheme, _, parameters = reply.headers.get("www-authenticate", "").partition(" ")
        if scheme.lower() == "basic" and self._credentials is not None:
            answer = self._basic(self._credentials)
        elif scheme.lower() == "bearer":
            answer = f"Bearer {_token((yield self._token_request(dict(_PARAMETER.findall(parameters)))))}"
        else:
            return
        request.headers["authorization"] = answer
        with self._lock:
            self._headers[purpose] = answer
        yield request

    def _token_request(self, challenge: dict[str, str]) -> httpx.Request:
        realm = challenge.get("realm", "")
        if not realm.startswith(("https://", "http://")):
            raise RegistryError(f"the registry names {realm!r} as the issuer of tokens, which is no address")
        query: dict[str, str] = {key: challenge[key] for key in ("service", "scope") if key in challenge}
        if self._credentials is not None and self._credentials.username == "<token>":
            form = {"grant_type": "refresh_token", "refresh_token": self._credentials.password.get_secret_value()}
            return httpx.Request("POST", realm, data={**form, **query, "client_id": "astraea"})
        headers = {} if self._credentials is None else {"authorization": self._basic(self._credentials)}
        return httpx.Request("GET", realm, params=query, headers=headers)

    @staticmethod
    def _basic(credentials: Credentials) -> str:
        pair = f"{credentials.username}:{credentials.password.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _token(reply: httpx.Response) -> str:
    try:
        document = reply.raise_for_status().json()
        return str(document.get("token") or document["access_token"])
    except (httpx.HTTPStatusError, ValueError, LookupError, AttributeError):
        raise RegistryError(
            f"{reply.url.host} gives no token: {reply.status_code} {reply.reason_phrase}",
            hint="`docker login` with a user who may, or check the password",
        ) from None
