"""How the broker shares a service's devices out among its revisions."""

from collections.abc import Mapping
from typing import Any

import httpx

from ..errors import BrokerError
from ..health import check_allowed


class Sharing:
    """The weights of a service's revisions at its broker.

    Args:
        client: asks it.
        broker: its URL.
        service: the service's name.
    """

    def __init__(self, client: httpx.Client, broker: str, service: str) -> None:
        self._client, self._broker, self._url = client, broker, f"{broker}/v1/services/{service}/sharing"

    def weights(self) -> dict[str, float]:
        """The shares as they are, by revision; empty while all revisions are treated alike.

        Raises:
            BrokerError: the broker doesn't answer, or refuses.
        """
        found: dict[str, float] = self._ask("GET").get("weights", {})
        return found

    def share(self, weights: Mapping[str, float]) -> None:
        """Share devices out by these weights, canaries first; by none of them alike. The objective stays.

        Raises:
            BrokerError: the broker doesn't answer, or refuses.
        """
        now = self._ask("GET")
        if now.get("weights") != dict(weights):
            self._ask("PUT", {**now, "weights": dict(weights)})

    def _ask(self, method: str, document: Any = None) -> dict[str, Any]:
        try:
            reply = self._client.request(method, self._url, json=document)
            check_allowed(self._broker, reply)
            found = reply.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise BrokerError(
                f"the broker can't be told how to share devices out: {error}", hint="is it up, and as new as this?"
            ) from None
        return found if isinstance(found, dict) else {}
