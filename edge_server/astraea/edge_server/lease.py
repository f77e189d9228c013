"""Keeping an instance on the broker's list: registered, renewed, and signed off at the end."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

import httpx

from astraea.protocol import Instance, Lease, Problem

_logger = logging.getLogger(__name__)

_TIMEOUT_S = 3.0  # a broker that takes longer for a few hundred bytes is as good as away
_FIRST_RETRY_S, _MAX_RETRY_S = 0.5, 8.0
_MIN_HEARTBEAT_S = 0.1  # whatever time to live the broker says


class _BrokerError(Exception):
    """The broker is away, refuses, or answers what is no lease; in words for the log."""


@contextlib.asynccontextmanager
async def leased(broker: str, describe: Callable[[], Instance]) -> AsyncIterator[None]:
    """Keep a lease for as long as the context lasts, and give it back at its end.

    A broker that is away is no error: it is logged, and tried again until it answers.

    Args:
        broker: Its base URL.
        describe: The instance with its load of that moment; called for each heartbeat.
    """
    async with httpx.AsyncClient(base_url=broker, timeout=_TIMEOUT_S) as client:
        keeper = asyncio.create_task(_keep(client, describe))
        try:
            yield
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
            await _withdraw(client, describe().id)


def retry_delay_s(failures: int, chance: float) -> float:
    """How long to wait after so many failures in a row: doubling up to a bound.

    `chance`, 0 to 1, picks from the upper half of that, so that the instances of a broker that was away don't all come
    back to it in the same moment.
    """
    longest = min(_MAX_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(failures - 1, 16))
    return longest * (1 + chance) / 2


async def _keep(client: httpx.AsyncClient, describe: Callable[[], Instance]) -> None:
    registered, failures = False, 0
    while True:
        try:
            lease = await _renew(client, describe())
        except _BrokerError as error:
            failures += 1
            if failures == 1:
                _logger.warning("no lease from the broker %s: %s; trying on", client.base_url, error)
            delay_s = retry_delay_s(failures, random.random())  # noqa: S311 - spreads load, hides nothing
        else:
            if failures or not registered:
                _logger.info("registered with the broker %s as %s", client.base_url, lease.instance_id)
            registered, failures = True, 0
            delay_s = max(_MIN_HEARTBEAT_S, lease.ttl_s / 3)
        await asyncio.sleep(delay_s)


async def _renew(client: httpx.AsyncClient, instance: Instance) -> Lease:
    try:
        response = await client.put(
            f"/v1/instances/{instance.id}",
            content=instance.model_dump_json(),
            headers={"content-type": "application/json"},
        )
        if response.status_code == HTTPStatus.OK:
            return Lease.model_validate_json(response.content)
    except httpx.HTTPError as error:
        raise _BrokerError(str(error) or type(error).__name__) from None
    except ValueError:
        raise _BrokerError("it answers what is no lease") from None
    raise _BrokerError(f"it answers {response.status_code}: {_reason(response)}")


def _reason(response: httpx.Response) -> str:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValueError:
        return response.reason_phrase
    return problem.detail or problem.title


async def _withdraw(client: httpx.AsyncClient, instance_id: str) -> None:
    try:
        await client.delete(f"/v1/instances/{instance_id}")
    except httpx.HTTPError as error:
        _logger.info("the broker %s was not told of the end: %s", client.base_url, error or type(error).__name__)
