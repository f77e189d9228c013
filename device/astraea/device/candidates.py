"""Asking the broker which instances can answer for this device."""

from secrets import token_hex
from typing import NamedTuple, Protocol

import httpx

from astraea.protocol import Candidates, Location, RemoteTier

from .errors import BrokerError

_TIMEOUT_S = 2.0
_MOST_CANDIDATES = 3
"""One to use, a standby that is kept warm, and one to compare them with; each costs its probes."""
_UNKNOWN_TTL_S = 5.0
"""A service that the broker does not know may be deployed at any moment, or be about to register again."""
_FIXED_TTL_S = 3600.0


class RemoteTarget(NamedTuple):
    """Somewhere to send frames to."""

    name: str
    url: str
    tier: RemoteTier = "edge"


class Offer(NamedTuple):
    """The instances to use, the best first, and for how many seconds that is good to know."""

    targets: list[RemoteTarget]
    ttl_s: float


class CandidateSource(Protocol):
    """Knows the instances of a service."""

    async def candidates(self, current: str | None) -> Offer:
        """Those to use now.

        Args:
            current: the one in use, which a source may keep first for as long as no other is clearly better.

        Raises:
            BrokerError: nobody can tell at the moment.
        """

    def move(self, location: Location) -> None:
        """The device is there now."""

    async def close(self) -> None:
        """Let go of connections."""


class BrokerClient:
    """A broker's answers for one service to one device, which it knows by a name made up anew for each client.

    Args:
        url: the broker's address, e.g. `http://broker.example:8600`.
        service: the service's name.
        location: where the device is; None leaves distance out of the ranking.
    """

    def __init__(self, url: str, service: str, location: Location | None) -> None:
        self._url = f"{url.rstrip('/')}/v1/services/{service}/candidates"
        self._query = {"limit": str(_MOST_CANDIDATES), "device": token_hex(8)}
        if location is not None:
            self.move(location)
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S)

    async def candidates(self, current: str | None) -> Offer:
        """See CandidateSource.candidates."""
        query = self._query | ({"current": current} if current else {})
        try:
            response = await self._client.get(self._url, params=query)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BrokerError(f"the broker {self._url} can't be reached: {error or type(error).__name__}") from None
        if response.status_code == httpx.codes.NOT_FOUND:
            return Offer([], _UNKNOWN_TTL_S)
        try:
            found = Candidates.model_validate_json(response.raise_for_status().content)
        except (httpx.HTTPStatusError, ValueError) as error:
            raise BrokerError(f"the broker's answer makes no sense: {str(error).splitlines()[0]}") from None
        instances = [candidate.instance for candidate in found.candidates[:_MOST_CANDIDATES]]
        return Offer([RemoteTarget(one.id, str(one.url), one.tier) for one in instances], found.ttl_s)

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

    async def candidates(self, current: str | None) -> Offer:  # noqa: ARG002 - they are always the same
        """See CandidateSource.candidates."""
        return Offer(self._targets, _FIXED_TTL_S)

    def move(self, location: Location) -> None:
        """See CandidateSource.move; addresses that are known stay the same."""

    async def close(self) -> None:
        """See CandidateSource.close."""
