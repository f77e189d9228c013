"""Asking the broker which instances can answer for this device."""

from collections.abc import Sequence
from contextlib import suppress
from math import inf
from secrets import token_hex

import httpx

from astraea.protocol import Candidates, Instance, Location

from ..errors import BrokerError
from ..profile import Price
from ..transports import Credential
from .source import Measured, Offer, RemoteTarget

_TIMEOUT_S = 2.0
_MOST_CANDIDATES = 3
"""One to use, a standby that is kept warm, and one to compare them with; each costs its probes."""
_UNKNOWN_TTL_S = 5.0
"""A service that the broker does not know may be deployed at any moment, or be about to register again."""
_TOKEN_SHARE = 0.5
"""A token is renewed when so much of its life is over: there is time for a broker that is away."""


class BrokerClient:
    """A broker's answers for one service to one device, which it knows by a name made up anew for each client.

    Args:
        url: the broker's address, e.g. `http://broker.example:8600`.
        service: the service's name.
        location: where the device is; None leaves distance out of the ranking.
        credential: is given the tokens by which the broker lets the device use instances.
        key: the device's own, for a broker that asks for one.
    """

    def __init__(
        self,
        url: str,
        service: str,
        location: Location | None = None,
        credential: Credential | None = None,
        key: str | None = None,
    ) -> None:
        self._url = f"{url.rstrip('/')}/v1/services/{service}/candidates"
        self._reports_url = f"{url.rstrip('/')}/v1/reports"
        self._location = location
        self._query = {"limit": str(_MOST_CANDIDATES), "device": token_hex(8)}
        if location is not None:
            self.move(location)
        self._credential = credential or Credential()
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S, headers=Credential(key).headers)

    async def candidates(self, current: str | None) -> Offer:
        """See CandidateSource.candidates."""
        query = self._query | ({"current": current} if current else {})
        try:
            response = await self._client.get(self._url, params=query)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BrokerError(f"the broker {self._url} can't be reached: {error or type(error).__name__}") from None
        if response.status_code == httpx.codes.NOT_FOUND:
            return Offer([], _UNKNOWN_TTL_S)
        if response.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise BrokerError(f"the broker {self._url} does not let this device in", hint="astraea enrol CODE")
        try:
            found = Candidates.model_validate_json(response.raise_for_status().content)
        except (httpx.HTTPStatusError, ValueError) as error:
            raise BrokerError(f"the broker's answer makes no sense: {str(error).splitlines()[0]}") from None
        ttl_s = found.ttl_s
        if found.token is not None:
            self._credential.token = found.token
            ttl_s = min(ttl_s, _TOKEN_SHARE * (found.token_ttl_s or inf))
        return Offer([_target(candidate.instance) for candidate in found.candidates[:_MOST_CANDIDATES]], ttl_s)

    def move(self, location: Location) -> None:
        """See CandidateSource.move."""
        self._location = location
        self._query |= {"lat": str(location.lat), "lon": str(location.lon)}

    async def report(self, measured: Sequence[Measured]) -> None:
        """See CandidateSource.report. The broker keeps the place to half a degree, and nothing else of the device."""
        if self._location is None or not measured:
            return
        place = {"lat": round(self._location.lat, 1), "lon": round(self._location.lon, 1)}
        reports = [one._asdict() for one in measured]
        with suppress(httpx.HTTPError, httpx.InvalidURL):  # it will be asked for candidates again, and that will tell
            await self._client.post(self._reports_url, json={"location": place, "reports": reports})

    async def close(self) -> None:
        """See CandidateSource.close."""
        await self._client.aclose()


def _target(instance: Instance) -> RemoteTarget:
    price = instance.price
    costs = price.per_hour > 0 or price.per_gb > 0
    return RemoteTarget(
        instance.id,
        str(instance.url),
        instance.tier,
        Price(per_cpu_hour=price.per_hour, per_gb=price.per_gb) if costs else None,
    )
