"""Keeping an instance on the broker's list: registered, renewed, and signed off at the end."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable

import httpx
from pydantic import SecretStr

from astraea.protocol import BrokerApiError, Instance, Lease
from astraea.protocol.broker_api import calls
from astraea.protocol.broker_api.client import AsyncBrokerApi

_logger = logging.getLogger(__name__)

_TIMEOUT_S = 3.0  # a broker that takes longer for a few hundred bytes is as good as away
_FIRST_RETRY_S, _MAX_RETRY_S = 0.5, 8.0
_MIN_HEARTBEAT_S = 0.1  # whatever time to live the broker says


@contextlib.asynccontextmanager
async def leased(
    broker: str,
    describe: Callable[[], Instance | None],
    changed: asyncio.Event | None = None,
    key: SecretStr | None = None,
    heard: Callable[[Lease | None], None] = lambda _lease: None,
) -> AsyncIterator[None]:
    """Keep a lease for as long as the context lasts, and give it back at its end.

    A broker that is away is no error: it is logged, and tried again until it answers.

    Args:
        broker: Its base URL.
        describe: The instance with its load of that moment, called for each heartbeat; None to give the lease back
            until it is there again.
        changed: Set when there is news that the broker shouldn't wait for.
        key: A node's key, for a broker that asks for one.
        heard: Is told the broker's answer to each heartbeat; None when there is none, and when the lease is given back.
    """
    async with httpx.AsyncClient(timeout=_TIMEOUT_S) as http:
        keeper = _Keeper(AsyncBrokerApi(http, broker, key), describe, changed or asyncio.Event(), heard)
        keeping = asyncio.create_task(keeper.keep())
        try:
            yield
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            await keeper.withdraw()


def retry_delay_s(failures: int, chance: float) -> float:
    """How long to wait after so many failures in a row: doubling up to a bound.

    `chance`, 0 to 1, picks from the upper half of that, so that the instances of a broker that was away don't all come
    back to it in the same moment.
    """
    longest = min(_MAX_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(failures - 1, 16))
    return longest * (1 + chance) / 2


class _Keeper:
    """Renews one lease; the parameters are those of `leased`."""

    def __init__(
        self,
        broker: AsyncBrokerApi,
        describe: Callable[[], Instance | None],
        changed: asyncio.Event,
        heard: Callable[[Lease | None], None],
    ) -> None:
        self._broker = broker
        self._describe = describe
        self._changed = changed
        self._heard = heard
        self._told: Instance | None = None
        """What the broker may have on its list."""
        self._registered = False
        self._failures = 0

    async def keep(self) -> None:
        """Renew it for ever."""
        while True:
            self._changed.clear()
            instance = self._describe()
            if instance is None:
                await self.withdraw()
                await self._changed.wait()
                continue
            delay_s = await self._renew(instance)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._changed.wait()

    async def withdraw(self) -> None:
        """Give it back."""
        if self._told is None:
            return
        self._registered = False
        self._heard(None)
        try:
            await self._broker.send(calls.deregister(self._told.id))
            self._told = None
        except BrokerApiError as error:
            _logger.info("the broker was not told of the end: %s", error)

    async def _renew(self, instance: Instance) -> float:
        """Renew it once, or fail to; how many seconds until the next time."""
        self._told = instance
        try:
            lease = await self._broker.send(calls.register(instance))
        except BrokerApiError as error:
            self._failures += 1
            self._heard(None)
            if self._failures == 1:
                _logger.warning("no lease: %s; trying on", error)
            return retry_delay_s(self._failures, random.random())  # noqa: S311 - spreads load, hides nothing
        if self._failures or not self._registered:
            _logger.info("registered with the broker %s as %s", self._broker.url, lease.instance_id)
        self._registered, self._failures = True, 0
        self._heard(lease)
        return max(_MIN_HEARTBEAT_S, lease.ttl_s / 3)
