"""Requests to brokers bring the operator's key; those to instances a token that their broker has signed for it."""

from collections.abc import Generator, Mapping

import httpx
from pydantic import SecretStr

from astraea.protocol.broker_api import Role, calls

from .errors import BrokerError


class OperatorAuth(httpx.Auth):
    """Brings the key of the broker that a request is for; a request for anyone else goes as it is.

    Args:
        keys: by the broker's URL.
    """

    def __init__(self, keys: Mapping[str, SecretStr]) -> None:
        self._keys = {_normal(broker): key for broker, key in keys.items()}
        self._at_instances: dict[tuple[str, str], InstanceAuth] = {}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        yield self.with_key(request)

    def with_key(self, request: httpx.Request) -> httpx.Request:
        """The request, with the key if it is for a broker that has one."""
        if (key := self.key_for(str(request.url))) is not None:
            request.headers["authorization"] = f"Bearer {key.get_secret_value()}"
        return request

    def at_instances(self, broker: str, service: str) -> "InstanceAuth":
        """What a service's instances are asked with, which register with this broker."""
        return self._at_instances.setdefault((broker, service), InstanceAuth(self, broker, service))

    def key_for(self, url: str) -> SecretStr | None:
        """The key of the broker that has this URL."""
        return next((key for broker, key in self._keys.items() if url.startswith(broker)), None)


class InstanceAuth(httpx.Auth):
    """Brings instances of a service a token with a viewer's rights, as soon as one asks for it.

    The broker signs it for the operator. It is brought until an instance refuses it: then it is over, and there is
    another. Where the broker signs none, its refusal is the answer to the request.

    Args:
        operator: brings the key to the broker.
        broker: its URL.
        service: the service's name.
    """

    requires_response_body = True

    def __init__(self, operator: OperatorAuth, broker: str, service: str) -> None:
        self._operator, self._url = operator, broker.rstrip("/")
        self._call = calls.token(service, Role.VIEWER)
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        response = yield self._with_token(request)
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return
        call, timeouts = self._call, request.extensions
        ask = httpx.Request(call.method, self._url + call.path, params=call.query, extensions=timeouts)
        answer = yield self._operator.with_key(ask)
        if answer.is_success:
            self._token = call.read(answer.content).token
            yield self._with_token(request)

    def _with_token(self, request: httpx.Request) -> httpx.Request:
        if self._token is not None:
            request.headers["authorization"] = f"Bearer {self._token}"
        return request


def _normal(broker: str) -> str:
    """A broker's URL as requests to it begin."""
    try:
        return f"{str(httpx.URL(broker)).rstrip('/')}/"
    except httpx.InvalidURL as error:
        raise BrokerError(f"{broker!r} is no address of a broker: {error}") from None
