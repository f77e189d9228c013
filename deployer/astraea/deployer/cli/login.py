"""`astraea login`."""

import sys
from typing import Annotated

import typer

from ..health import check_broker, new_client
from ..operator_auth import OperatorAuth
from ..operator_keys import BROKER_VARIABLE, DEFAULT_BROKER, checked_key, keep_key

app = typer.Typer(add_completion=False)


@app.callback()
def _root() -> None:
    """Keeps `login` a word of the command line: Typer drops the name of a lone command."""


@app.command()
def login(
    broker: Annotated[
        str, typer.Option(envvar=BROKER_VARIABLE, metavar="URL", help="The broker's address.")
    ] = DEFAULT_BROKER,
) -> None:
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
