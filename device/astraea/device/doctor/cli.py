"""`astraea doctor`: the checks in turn, and what to do about what they find."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ..camera import Frame
from ..candidates import RemoteTarget
from ..client import DEFAULT_BROKER
from ..transports import Credential, HttpTransport
from .finding import Finding
from .here import check_camera, check_model, check_power
from .there import check_broker, check_clock, check_edge, check_link

app = typer.Typer(add_completion=False)

_SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}


@app.callback()
def diagnosis() -> None:
    """Keep the verb a verb while there is only one."""


@app.command(epilog="Example: astraea doctor plates --source picamera2: --local plates --broker http://broker:8600")
def doctor(  # noqa: PLR0917 - the command line's options
    service: Annotated[str | None, typer.Argument(help="The service that the device is to use.")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="URI", help="The camera, as for `astraea camera`. Without, none is looked at.")
    ] = None,
    local: Annotated[str | None, typer.Option(metavar="MODEL", help="The device's own model.")] = None,
    broker: Annotated[
        str | None, typer.Option(metavar="URL", help="Default: ASTRAEA_BROKER, else http://127.0.0.1:8600.")
    ] = None,
    edge: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="An edge server, to do without a broker.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="ASTRAEA_API_KEY", help="What edge servers are told to let the device in.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Check camera, model, broker, clock, link and edge server, and say what to put right.

    It exits with status 1 if something does not work.
    """
    console = Console()
    findings = []

    async def check() -> None:
        address = broker or os.environ.get("ASTRAEA_BROKER", DEFAULT_BROKER)
        async for finding in _findings(service, source, local, address, edge or [], token):
            findings.append(finding)
            if not as_json:
                console.print(_line(finding), soft_wrap=True)

    asyncio.run(check())
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    if any(finding.status == "failed" for finding in findings):
        raise typer.Exit(1)


async def _findings(  # noqa: PLR0917 - the command line's options
    service: str | None,
    source: str | None,
    local: str | None,
    broker: str,
    edges: list[str],
    token: str | None,
) -> AsyncIterator[Finding]:
    if power := check_power():
        yield power
    frame: Frame | None = None
    if source:
        finding, frame = await asyncio.to_thread(check_camera, source)
        yield finding
    yield await asyncio.to_thread(check_model, local, frame)
    credential = Credential(token)
    targets = [RemoteTarget(url, url) for url in edges]
    if not edges and service:
        finding, targets = await check_broker(broker, service, credential)
        yield finding
    elif not edges:
        yield Finding("edge", "warning", "not looked at", "name the service: astraea doctor SERVICE")
        return
    if targets:
        yield await check_clock(edges[0] if edges else broker)
    for target in targets:
        transport = HttpTransport(target.url, credential)
        try:
            yield await check_link(target, transport)
            yield await check_edge(target, transport, frame.image if frame else None)
        finally:
            await transport.close()


def _line(finding: Finding) -> str:
    line = f"{_SIGNS[finding.status]} [bold]{escape(finding.subject)}[/]: {escape(finding.text)}"
    return f"{line}\n  [dim]→[/] {escape(finding.hint)}" if finding.hint else line
