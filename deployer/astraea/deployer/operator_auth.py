"""Requests to brokers bring the operator's key; those to anyone else don't."""

from collections.abc import Generator, Mapping

import httpx
from pydantic import SecretStr

from .errors import BrokerError


class OperatorAuth(httpx.Auth):
    """Brings the key of the broker that a request is for; a request for anyone else goes as it is.

    Args:
        keys: by the broker's URL.
    """

    def __init__(self, keys: Mapping[str, SecretStr]) -> None:
        self._keys = {_normal(broker): key for broker, key in keys.items()}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        if (key := self.key_for(str(request.url))) is not None:
            request.headers["authorization"] = f"Bearer {key.get_secret_value()}"
        yield request

    def key_for(self, url: str) -> SecretStr | None:
        """The key of the broker that has this URL."""
        return next((key for broker, key in self._keys.items() if url.startswith(broker)), None)


def _normal(broker: str) -> str:
    """A broker's URL as requests to it begin."""
    try:
        return f"{str(httpx.URL(broker)).rstrip('/')}/"
    except httpx.InvalidURL as error:
        raise BrokerError(f"{broker!r} is no address of a broker: {error}") from None
