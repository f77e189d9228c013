"""Asking the broker which instances can answer for this device."""

from typing import NamedTuple, Protocol

import httpx

from astraea.protocol import Candidates, Location, RemoteTier

from .errors import BrokerError

_TIMEOUT_S = 2.0
_MOST_CANDIDATES = 2
"""The one to use and a standby; each costs its probes."""


class RemoteTarget(NamedTuple):
    """Somewhere to send frames to."""

    name: str
    url: str
    tier: RemoteTier = "edge"


class CandidateSource(Protocol):
    """Knows the instances of a service, the best first."""

    async def candidates(self) -> list[RemoteTarget]:
        """Those to use now.

        Raises:
            BrokerError: nobody can tell at the moment.
        """

    def move(self, location: Location) -> None:
        """The device is there now."""

    async def close(self) -> None:
        """Let go of connections."""


class BrokerClient:
    """A broker's answer for one service at one place.

    Args:
        url: the broker's address, e.g. `http://broker.example:8600`.
        service: the service's name.
        location: where the device is; None leaves distance out of the ranking.
    """

    def __init__(self, url: str, service: str, location: Location | None) -> None:
        self._url = f"{url.rstrip('/')}/v1/services/{service}/candidates"
        self._query = {"limit": str(_MOST_CANDIDATES)}
        if location is not None:
            self.move(location)
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S)

    async def candidates(self) -> list[RemoteTarget]:
        """See CandidateSource.candidates."""
        try:
            response = await self._client.get(self._url, params=self._query)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BrokerError(f"the broker {self._url} can't be reached: {error or type(error).__name__}") from None
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        try:
            found = Candidates.model_validate_json(response.raise_for_status().content)
        except (httpx.HTTPStatusError, ValueError) as error:
            raise BrokerError(f"the broker's answer makes no sense: {str(error).splitlines()[0]}") from None
        instances = [candidate.instance for candidate in found.candidates[:_MOST_CANDIDATES]]
        return [RemoteTarget(instance.id, str(instance.url), instance.tier) for instance in instances]

    def move(self, location: Location) -> None:
        """See CandidateSource.move."""
        self._query |= {"lat": str(location.lat), "lon": str(location.lon)}

    async def close(self) -> None:
        """See CandidateSource.close."""
        await self._client.aclose()


class FixedCandidates:
    """Edge servers whose addresses the app knows; no broker is asked.

    Args:
        urls: base addresses, e.g. `["http://192.168.1.20:8000"]`; each is its own name.
    """

    def __init__(self, *urls: str) -> None:
        self._targets = [RemoteTarget(url, url) for url in urls]

    async def candidates(self) -> list[RemoteTarget]:
        """See CandidateSource.candidates."""
        return self._targets

    def move(self, location: Location) -> None:
        """See CandidateSource.move; addresses that are known stay the same."""

    async def close(self) -> None:
        """See CandidateSource.close."""
