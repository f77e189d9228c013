"""`astraea enrol`: a device's key for a broker that asks for one."""

from typing import Annotated

import typer
from rich.console import Console

from .enrolment import enrol as take_code

app = typer.Typer(add_completion=False)


@app.callback()
def candidates() -> None:
    """Keep the verb a verb while there is only one."""


@app.command(epilog="Example: astraea enrol K7QX-2M4P --broker https://broker.example")
def enrol(
    code: Annotated[str, typer.Argument(help="Made by an operator of the broker; good once, for an hour.")],
    broker: Annotated[
        str, typer.Option(metavar="URL", envvar="ASTRAEA_BROKER", help="The broker's address.")
    ] = "http://127.0.0.1:8600",
) -> None:
    """Have a broker know this device: its clients then find instances, and are let in there.

    The key is kept in ~/.config/astraea/device-keys.json, for this user alone.
    """
    path = take_code(broker, code)
    Console().print(f"This device is enrolled with {broker}; its key is in {path}.", soft_wrap=True)
