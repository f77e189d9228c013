"""`astraea login` and `astraea token`: what an operator is known by."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from astraea.protocol.broker_api import Role, calls

from ..health import ask_broker, check_broker, new_client
from ..operator_auth import OperatorAuth
from ..operator_keys import BROKER_VARIABLE, DEFAULT_BROKER, checked_key, keep_key

app = typer.Typer(add_completion=False)

BrokerOption = Annotated[str, typer.Option(envvar=BROKER_VARIABLE, metavar="URL", help="The broker's address.")]


class Rights(StrEnum):
    """Whose rights a token brings."""

    VIEWER = Role.VIEWER
    DEPLOYER = Role.DEPLOYER


@app.command()
def login(broker: BrokerOption = DEFAULT_BROKER) -> None:
    """Keep an operator's key for a broker: what is deployed and looked at there from now on brings it.

    The key is asked for, or read from standard input. A role of `viewer` is enough to look, `deployer` for the rest; an
    admin makes it, and the broker's first start wrote an admin's. ASTRAEA_OPERATOR_KEY may have it instead.

    Example: `astraea login --broker https://broker.example < admin.key`
    """
    key = checked_key(typer.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read())
    with new_client() as client:
        client.auth = OperatorAuth({broker: key})
        check_broker(client, broker)
    typer.echo(f"the key for {broker} is in {keep_key(broker, key)}")


@app.command()
def token(
    service: Annotated[str, typer.Argument(help="The service whose instances it is for.")],
    *,
    role: Annotated[
        Rights, typer.Option(help="viewer: read /metrics and what is served; deployer: also load versions.")
    ] = Rights.VIEWER,
    broker: BrokerOption = DEFAULT_BROKER,
) -> None:
    """Print a token that a service's instances take from an operator, good for 7 to 15 minutes.

    Example: `curl -H "Authorization: Bearer $(astraea token plates)" http://10.0.0.7:20817/metrics`
    """
    with new_client() as client:
        typer.echo(ask_broker(client, broker, calls.token(service, Role(role))).token)
