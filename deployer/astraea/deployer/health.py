"""Whether instances answer, asked as devices ask: each at its own address, and the broker for what it offers."""

from typing import TypeVar

import httpx
from pydantic import SecretStr

from astraea.protocol import BrokerApiError, Load
from astraea.protocol.broker_api import Call, calls
from astraea.protocol.broker_api.client import BrokerApi

from .engines import InstanceStatus
from .errors import BrokerError
from .operator_auth import OperatorAuth
from .operator_keys import operator_keys

_TIMEOUT_S = 2.0
_REFUSALS = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.TOO_MANY_REQUESTS)
"""Of who asks without a key that may: the last where it was so too often lately."""
T = TypeVar("T")


def new_client() -> httpx.Client:
    """For all that asks brokers and instances: a broker is told the operator's key for it, an instance never.

    Proxies of the environment are passed over: nodes and brokers are reached directly. Certificates that
    `SSL_CERT_FILE` or `SSL_CERT_DIR` names are trusted.

    Raises:
        BrokerError: the operator's keys can't be read.
    """
    auth, tls = OperatorAuth(operator_keys()), httpx.create_ssl_context()
    return httpx.Client(timeout=_TIMEOUT_S, trust_env=False, auth=auth, verify=tls)


def is_ready(client: httpx.Client, url: str | None) -> bool:
    """Whether the instance at this address says that it is ready."""
    try:
        return url is not None and client.get(f"{url}/readyz").is_success
    except httpx.HTTPError:
        return False


def read_figures(client: httpx.Client, instance: InstanceStatus) -> str:
    """What an instance tells at /metrics; one that asks for an operator's token gets it.

    Raises:
        httpx.HTTPError, ValueError: it doesn't tell, or its broker signs no token for this operator.
    """
    auth, plan = client.auth, instance.plan
    at_instances = auth.at_instances(plan.broker, plan.service) if isinstance(auth, OperatorAuth) else None
    return client.get(f"{instance.url}/metrics", auth=at_instances).raise_for_status().text


def check_broker(client: httpx.Client, broker: str) -> None:
    """Make sure that a broker answers, and whoever asks may see its instances.

    Raises:
        BrokerError: it doesn't, or they may not.
    """
    ask_broker(client, broker, calls.is_live())
    ask_broker(client, broker, calls.services())


def check_node_key(broker: str, key: SecretStr | None) -> None:
    """Make sure that instances which bring a broker this key, or none, may register there.

    Raises:
        BrokerError: they may not.
    """
    with httpx.Client(timeout=_TIMEOUT_S, trust_env=False, verify=httpx.create_ssl_context()) as http:
        try:
            BrokerApi(http, broker, key).send(calls.renew("-", Load()))  # no instance's id: nothing comes of it
        except BrokerApiError as error:
            if error.status not in _REFUSALS:
                return
            wrong = "and instances get none" if key is None else "and does not take the one that instances get"
            raise BrokerError(
                f"the broker at {broker} asks for a node's key, {wrong}",
                hint="have an admin make one of the role `node` (POST /v1/keys), and add --secret broker-key=FILE"
                + ("" if key is None else "; ASTRAEA_BROKER_KEY of their environment comes first"),
            ) from None


def is_offered(client: httpx.Client, instance: InstanceStatus) -> bool:
    """Whether the instance's broker has it to offer to devices; False also when that broker doesn't answer."""
    plan = instance.plan
    try:
        return instance.id in {listed.id for listed in ask_broker(client, plan.broker, calls.instances(plan.service))}
    except BrokerError:
        return False


def ask_broker(client: httpx.Client, broker: str, call: Call[T]) -> T:
    """What a broker answers to a call, which brings the operator's key for it.

    Raises:
        BrokerError: it can't be reached, refuses, or is none.
    """
    try:
        return BrokerApi(client, broker).send(call)
    except BrokerApiError as error:
        raise _explained(client, broker, error) from None


def _explained(client: httpx.Client, broker: str, error: BrokerApiError) -> BrokerError:
    if error.status == httpx.codes.UNAUTHORIZED:
        keys = client.auth
        has_key = isinstance(keys, OperatorAuth) and keys.key_for(f"{broker.rstrip('/')}/") is not None
        had = "does not know the key it was given" if has_key else "asks for a key"
        return BrokerError(f"the broker at {broker} {had}", hint=f"`astraea login --broker {broker}` keeps one for it")
    if error.status == httpx.codes.FORBIDDEN:
        return BrokerError(
            f"the broker at {broker} does not let this key do that",
            hint=f"have an admin make one of the role `deployer`, and `astraea login --broker {broker}`",
        )
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return BrokerError(
            f"the broker at {broker} has a certificate that is not trusted here: {error}",
            hint="let SSL_CERT_FILE name a file with its authority's certificate, beside the usual ones",
        )
    return BrokerError(
        str(error), hint="start one with `astraea broker`, or name another with --broker or ASTRAEA_BROKER"
    )
