"""How the broker shares a service's devices out among its revisions."""

from collections.abc import Mapping

import httpx

from astraea.protocol.broker_api import calls

from ..health import ask_broker


class Sharing:
    """The weights of a service's revisions at its broker.

    Args:
        client: asks it.
        broker: its URL.
        service: the service's name.
    """

    def __init__(self, client: httpx.Client, broker: str, service: str) -> None:
        self._client, self._broker, self._service = client, broker, service

    def weights(self) -> dict[str, float]:
        """The shares as they are, by revision; empty while all revisions are treated alike.

        Raises:
            BrokerError: the broker doesn't answer, or refuses.
        """
        return ask_broker(self._client, self._broker, calls.sharing(self._service)).weights

    def share(self, weights: Mapping[str, float], shadow_share: float = 0.0) -> None:
        """Share devices out by these weights, canaries first; by none of them alike. The objective stays.

        Args:
            weights: by revision.
            shadow_share: of what the others answer, from 0 to 1: so much is copied to the first.

        Raises:
            BrokerError: the broker doesn't answer, or refuses.
        """
        now = ask_broker(self._client, self._broker, calls.sharing(self._service))
        wanted = now.model_copy(update={"weights": dict(weights), "shadow_share": shadow_share})
        if now != wanted:
            ask_broker(self._client, self._broker, calls.share_out(self._service, wanted))
