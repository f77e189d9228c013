"""Lets callers pass that may do what they ask for, and slows down those that ask too often."""

import math
import time
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from astraea.protocol.broker_api import Role

from ..access import ANYONE, Access, Principal, RateLimit

COOKIE = "astraea_key"
"""Holds an operator's key in a browser that has logged in to the dashboard."""
_UNSAFE = frozenset({"POST", "PUT", "DELETE", "PATCH"})


class Gate:
    """Who asks, and whether they may.

    Args:
        access: knows keys and devices.
        closed: whether callers must authenticate; else everybody is an admin.
        clock: monotonic seconds.
    """

    def __init__(self, access: Access, *, closed: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.access = access
        self.closed = closed
        self._clock = clock
        self._devices = RateLimit(per_second=5, burst=30)
        self._failures = RateLimit(per_second=0.2, burst=10)

    def admit(self, request: Request, roles: frozenset[Role]) -> Principal:
        """Whoever the request comes from, if they have one of the roles.

        Raises:
            HTTPException: 401 without a good key, 403 for another role, 429 for asking too often.
        """
        if not self.closed:
            return ANYONE
        principal = self._identify(request)
        if principal is None:
            self.count_failure(request)
            raise HTTPException(
                HTTPStatus.UNAUTHORIZED,
                "a key is needed: Authorization: Bearer KEY",
                {"www-authenticate": "Bearer"},
            )
        if principal.role not in roles:
            raise HTTPException(HTTPStatus.FORBIDDEN, f"the role {principal.role} may not do this")
        if principal.role is Role.DEVICE:
            _refuse(self._devices.wait_s(principal.name, self._clock()))
        return principal

    def count_failure(self, request: Request) -> None:
        """Note that somebody at an address may be guessing.

        Raises:
            HTTPException: 429 if it was so too often lately.
        """
        _refuse(self._failures.wait_s(_address(request), self._clock()))

    def _identify(self, request: Request) -> Principal | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.access.identify(key.strip())
        if (cookie := request.cookies.get(COOKIE)) and (request.method not in _UNSAFE or from_own_page(request)):
            return self.access.identify(cookie)
        return None


def gate_of(request: Request) -> Gate:
    """The gate of the application that has this request."""
    gate: Gate = request.app.state.gate
    return gate


def admit(request: Request, roles: frozenset[Role]) -> Principal:
    """See Gate.admit."""
    return gate_of(request).admit(request, roles)


def from_own_page(request: Request) -> bool:
    """Whether a browser's request comes from one of our own pages: browsers say whose form or script sends it."""
    return urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host")


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _refuse(wait_s: float) -> None:
    if wait_s:
        raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, "too many requests", {"retry-after": str(math.ceil(wait_s))})
