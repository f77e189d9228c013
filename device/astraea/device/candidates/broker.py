"""Asking the broker which instances can answer for this device."""

from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from math import inf
from secrets import token_hex

import httpx
from pydantic import SecretStr, ValidationError

from astraea.protocol import BrokerApiError, Instance, Location
from astraea.protocol.broker_api import Ask, Report, calls
from astraea.protocol.broker_api.client import AsyncBrokerApi

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
        self._service = service
        self._location = location
        self._ask = Ask(limit=_MOST_CANDIDATES, device=token_hex(8))
        if location is not None:
            self.move(location)
        self._credential = credential or Credential()
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S)
        self._broker = AsyncBrokerApi(self._http, url, None if key is None else SecretStr(key))

    async def candidates(self, current: str | None) -> Offer:
        """See CandidateSource.candidates."""
        ask = self._ask.model_copy(update={"current": current})
        try:
            found = await self._broker.send(calls.candidates(self._service, ask))
        except BrokerApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return Offer([], _UNKNOWN_TTL_S)
            if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                refused = f"the broker {self._broker.url} does not let this device in"
                raise BrokerError(refused, hint="astraea enrol CODE") from None
            raise BrokerError(str(error)) from None
        ttl_s = found.ttl_s
        if found.token is not None:
            self._credential.token = found.token
            ttl_s = min(ttl_s, _TOKEN_SHARE * (found.token_ttl_s or inf))
        return Offer([_target(candidate.instance) for candidate in found.candidates[:_MOST_CANDIDATES]], ttl_s)

    def move(self, location: Location) -> None:
        """See CandidateSource.move."""
        self._location = location
        self._ask = self._ask.model_copy(update={"lat": location.lat, "lon": location.lon})

    async def report(self, measured: Sequence[Measured]) -> None:
        """See CandidateSource.report. The broker keeps the place to half a degree, and nothing else of the device."""
        if not measured:
            return
        place = self._location and Location(lat=round(self._location.lat, 1), lon=round(self._location.lon, 1))
        # A broker that is away will be asked for candidates again, and that will tell; and it takes no odd figures.
        with suppress(BrokerApiError, ValidationError):
            await self._broker.send(calls.report(place, [Report(**one._asdict()) for one in measured]))

    async def close(self) -> None:
        """See CandidateSource.close."""
        await self._http.aclose()


def _target(instance: Instance) -> RemoteTarget:
    price = instance.price
    costs = price.per_hour > 0 or price.per_gb > 0
    return RemoteTarget(
        instance.id,
        str(instance.url),
        instance.tier,
        Price(per_cpu_hour=price.per_hour, per_gb=price.per_gb) if costs else None,
    )
