"""The verbs that look back: what was deployed, and return to it."""

import json
from typing import Annotated

import typer

from ..history import History
from ..packaging.base import DEFAULT_BASE
from ..views import history_table
from .consoles import out
from .fleet import EngineName
from .running import deploy

app = typer.Typer(add_completion=False)

_Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service.")]


@app.command()
def history(
    service: _Service,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show what was deployed of a service from this machine, the newest last.

    Example: `astraea history plates`
    """
    records = History(service).all()
    if as_json:
        typer.echo(json.dumps([record.model_dump(mode="json") for record in records], indent=2))
    elif not records:
        typer.echo(f"nothing of {service} was deployed from here")
    else:
        out().print(history_table(records))


@app.command()
def rollback(
    service: _Service,
    to: Annotated[
        str | None, typer.Option(metavar="REVISION", help="Which to go back to.", show_default="the one before")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for all instances to serve.")] = 300.0,
) -> None:
    """Deploy an earlier revision again, where and how it was deployed then; the newer one ends when it serves.

    Example: `astraea rollback plates`
    """
    record = History(service).before(to)
    env_files, secrets = record.settings.options() if record.settings else ([], [])
    deploy(
        record.image,
        node=list(record.nodes),
        broker=record.broker,
        engine=EngineName(record.engine),
        registry=None,
        base=DEFAULT_BASE,
        allow=None,
        env_file=env_files,
        secret=secrets,
        canary=None,
        every="0s",
        dry_run=False,
        render=False,
        timeout=timeout,
    )
