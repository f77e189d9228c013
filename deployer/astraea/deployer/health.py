"""Whether instances answer, asked as devices ask: each at its own address, and the broker for what it offers."""

import httpx
from pydantic import ValidationError

from astraea.protocol import Candidates, Location

from .engines import InstanceStatus
from .errors import BrokerError

_TIMEOUT_S = 2.0
_MOST_CANDIDATES = 50
"""As many as a broker gives at once; the instance of a node is near the node's place, so it is among them."""


def new_client() -> httpx.Client:
    """For the functions below. Proxies of the environment are passed over: nodes and brokers are reached directly."""
    return httpx.Client(timeout=_TIMEOUT_S, trust_env=False)


def is_ready(client: httpx.Client, url: str | None) -> bool:
    """Whether the instance at this address says that it is ready."""
    try:
        return url is not None and client.get(f"{url}/readyz").is_success
    except httpx.HTTPError:
        return False


def check_broker(client: httpx.Client, broker: str) -> None:
    """Make sure that a broker answers.

    Raises:
        BrokerError: it doesn't.
    """
    if not _get(client, broker, "/livez").is_success:
        raise _no_broker(broker, "something else answers there")


def _offered(client: httpx.Client, broker: str, service: str, location: Location | None) -> frozenset[str]:
    """Ids of the instances that the broker offers to a device at this place."""
    query: dict[str, float] = {"limit": _MOST_CANDIDATES} | ({} if location is None else location.model_dump())
    reply = _get(client, broker, f"/v1/services/{service}/candidates", query)
    if reply.status_code == httpx.codes.NOT_FOUND:
        return frozenset()
    try:
        candidates = Candidates.model_validate_json(reply.content).candidates
    except ValidationError:
        raise _no_broker(broker, f"it answered {reply.status_code}, not with candidates") from None
    return frozenset(candidate.instance.id for candidate in candidates)


def is_offered(client: httpx.Client, instance: InstanceStatus) -> bool:
    """Whether the instance's broker offers it to devices near its node; False also when that broker doesn't answer."""
    try:
        plan = instance.plan
        return instance.id in _offered(client, plan.broker, plan.service, plan.node.location)
    except BrokerError:
        return False


def _get(client: httpx.Client, broker: str, path: str, query: dict[str, float] | None = None) -> httpx.Response:
    try:
        return client.get(f"{broker.rstrip('/')}{path}", params=query)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _no_broker(broker, str(error)) from None


def _no_broker(broker: str, reason: str) -> BrokerError:
    return BrokerError(
        f"no broker answers at {broker}: {reason}",
        hint="start one with `astraea broker`, or name another with --broker or ASTRAEA_BROKER",
    )
