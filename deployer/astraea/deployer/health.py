"""Whether instances answer, asked as devices ask: each at its own address, and the broker for what it offers."""

import httpx
from pydantic import TypeAdapter, ValidationError

from astraea.protocol import Instance

from .engines import InstanceStatus
from .errors import BrokerError
from .operator_keys import OperatorAuth, operator_keys

_TIMEOUT_S = 2.0
_Instances = TypeAdapter(list[Instance])


def new_client() -> httpx.Client:
    """For all that asks brokers and instances: a broker is told the operator's key for it, an instance never.

    Proxies of the environment are passed over: nodes and brokers are reached directly.

    Raises:
        BrokerError: the operator's keys can't be read.
    """
    return httpx.Client(timeout=_TIMEOUT_S, trust_env=False, auth=OperatorAuth(operator_keys()))


def is_ready(client: httpx.Client, url: str | None) -> bool:
    """Whether the instance at this address says that it is ready."""
    try:
        return url is not None and client.get(f"{url}/readyz").is_success
    except httpx.HTTPError:
        return False


def check_broker(client: httpx.Client, broker: str) -> None:
    """Make sure that a broker answers, and whoever asks may see its instances.

    Raises:
        BrokerError: it doesn't, or they may not.
    """
    if not _get(client, broker, "/livez").is_success:
        raise _no_broker(broker, "something else answers there")
    check_allowed(broker, _get(client, broker, "/v1/services"))


def check_allowed(broker: str, reply: httpx.Response) -> None:
    """Make sure that a broker has not refused a request for want of a key, or of a better one.

    Raises:
        BrokerError: it has.
    """
    if reply.status_code == httpx.codes.UNAUTHORIZED:
        had = "does not know the key it was given" if "authorization" in reply.request.headers else "asks for a key"
        raise BrokerError(f"the broker at {broker} {had}", hint=f"`astraea login --broker {broker}` keeps one for it")
    if reply.status_code == httpx.codes.FORBIDDEN:
        raise BrokerError(
            f"the broker at {broker} does not let this key do that",
            hint=f"have an admin make one of the role `deployer`, and `astraea login --broker {broker}`",
        )


def _listed(client: httpx.Client, broker: str, service: str) -> frozenset[str]:
    """Ids of the instances that hold a lease, whatever share of the devices their revision has."""
    reply = _get(client, broker, "/v1/instances", {"service": service})
    check_allowed(broker, reply)
    try:
        return frozenset(instance.id for instance in _Instances.validate_json(reply.content))
    except ValidationError:
        raise _no_broker(broker, f"it answered {reply.status_code}, not with instances") from None


def is_offered(client: httpx.Client, instance: InstanceStatus) -> bool:
    """Whether the instance's broker has it to offer to devices; False also when that broker doesn't answer."""
    try:
        return instance.id in _listed(client, instance.plan.broker, instance.plan.service)
    except BrokerError:
        return False


def _get(client: httpx.Client, broker: str, path: str, query: dict[str, str] | None = None) -> httpx.Response:
    try:
        return client.get(f"{broker.rstrip('/')}{path}", params=query)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _no_broker(broker, str(error)) from None


def _no_broker(broker: str, reason: str) -> BrokerError:
    return BrokerError(
        f"no broker answers at {broker}: {reason}",
        hint="start one with `astraea broker`, or name another with --broker or ASTRAEA_BROKER",
    )
