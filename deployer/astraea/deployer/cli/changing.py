"""The verbs that change a service which runs: more or fewer instances, and the end of a canary."""

from typing import Annotated

import typer

from .. import deployment
from ..desired import Desired, DesiredStore
from ..engines import Engine
from ..errors import DeployError
from ..rollout.canary import Decision
from ..views import deployment_table
from .consoles import out
from .fleet import EngineName, open_fleet

app = typer.Typer(add_completion=False)

_Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service.")]


@app.command()
def scale(
    service: _Service,
    count: Annotated[int, typer.Argument(metavar="N", min=0, max=10_000, help="Instances in all; 0 for none.")],
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for all instances to serve.")] = 300.0,
) -> None:
    """Run N instances of a service, dealt out to its nodes in turn.

    Those that are new serve when the command returns; those that are too many finish what they are at first. With 0
    nothing runs, and `astraea scale SERVICE 1` starts it again.

    Example: `astraea scale plates 4`
    """
    desired, engine = _known(service)
    out().print(deployment_table(deployment.scale(desired, count, engine, timeout_s=timeout)))


@app.command()
def promote(service: _Service) -> None:
    """Give all devices to a service's canary now, and end the revision before it.

    Example: `astraea promote plates`
    """
    _decide(service, "promote")


@app.command()
def abort(service: _Service) -> None:
    """Take a service's canary back: all devices go to the revision before it, and the new one ends.

    Example: `astraea abort plates`
    """
    _decide(service, "abort")


def _decide(service: str, decision: Decision) -> None:
    _, engine = _known(service)
    deployment.decide(service, engine, decision)
    desired, _ = _known(service)
    typer.echo(f"{service} is served by {desired.release.image.revision}")


def _known(service: str) -> tuple[Desired, Engine]:
    desired = DesiredStore().get(service)
    if desired is None:
        raise DeployError(f"{service!r} was not deployed from here", hint="`astraea deploy DIR` runs a service")
    return desired, open_fleet(EngineName(desired.engine)).engine
