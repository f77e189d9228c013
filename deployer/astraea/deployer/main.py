"""The `astraea` command: it knows every part's verbs, and loads a part only when one of its verbs is used.

A Pi with `astraea[device]` alone has the whole list in `--help`, at once, and is told which extra a missing verb needs.
"""

import importlib
import sys
from typing import Annotated, NamedTuple

import typer


class Verb(NamedTuple):
    """A first word of the command line, and where it is implemented."""

    name: str
    help: str
    panel: str
    module: str
    """Has `app`, a Typer application that knows the verb."""
    extra: str
    """What `pip install 'astraea[...]'` must name for the module to import."""


_EDGE, _DEPLOY, _BROKER = "On an edge node", "From files to a running service", "Between devices and nodes"
_MODELS, _DEVICE = "Models", "On a device"

VERBS = (
    Verb("init", "Write the three files of a new service.", _DEPLOY, "astraea.deployer.cli.making", "deploy"),
    Verb(
        "inspect",
        "Tell what a folder holds, executing nothing.",
        _DEPLOY,
        "astraea.deployer.cli.making",
        "deploy",
    ),
    Verb("build", "Make an image of a service's folder.", _DEPLOY, "astraea.deployer.cli.making", "deploy"),
    Verb("sbom", "Show what a container image is made of.", _DEPLOY, "astraea.deployer.cli.making", "deploy"),
    Verb("deploy", "Run a service on the nodes that suit it.", _DEPLOY, "astraea.deployer.cli.running", "deploy"),
    Verb("scale", "Run more or fewer instances of a service.", _DEPLOY, "astraea.deployer.cli.changing", "deploy"),
    Verb("promote", "Give all devices to a canary now.", _DEPLOY, "astraea.deployer.cli.changing", "deploy"),
    Verb("abort", "Take a canary back.", _DEPLOY, "astraea.deployer.cli.changing", "deploy"),
    Verb("controller", "Heal and scale services for ever.", _DEPLOY, "astraea.deployer.cli.controller", "deploy"),
    Verb("status", "Show services, their instances and health.", _DEPLOY, "astraea.deployer.cli.running", "deploy"),
    Verb("logs", "Show what a service's instances print.", _DEPLOY, "astraea.deployer.cli.running", "deploy"),
    Verb("history", "Show what was deployed of a service.", _DEPLOY, "astraea.deployer.cli.past", "deploy"),
    Verb("rollback", "Go back to an earlier revision.", _DEPLOY, "astraea.deployer.cli.past", "deploy"),
    Verb("remove", "Stop a service everywhere.", _DEPLOY, "astraea.deployer.cli.running", "deploy"),
    Verb("login", "Keep a key for a broker that asks for one.", _DEPLOY, "astraea.deployer.cli.login", "deploy"),
    Verb("token", "Print a token for a service's instances.", _DEPLOY, "astraea.deployer.cli.login", "deploy"),
    Verb("node", "Add, list, drain and remove edge nodes.", _DEPLOY, "astraea.deployer.cli.nodes", "deploy"),
    Verb("serve", "Serve one service from its folder.", _EDGE, "astraea.edge_server.cli", "edge"),
    Verb("broker", "Keep the list of instances; tell devices the best.", _BROKER, "astraea.broker.cli", "broker"),
    Verb("models", "List, pull and show the models of the zoo.", _MODELS, "astraea.models.cli", "device"),
    Verb(
        "camera", "Have a camera's frames answered; show it on a page.", _DEVICE, "astraea.device.viewer.cli", "device"
    ),
    Verb(
        "doctor", "Check camera, model, broker, clock, link and edge.", _DEVICE, "astraea.device.doctor.cli", "device"
    ),
    Verb("enrol", "Have a broker know this device.", _DEVICE, "astraea.device.candidates.cli", "device"),
    Verb("profile", "Measure what encodings cost and are worth.", _DEVICE, "astraea.device.profiling.cli", "device"),
    Verb("simulate", "Replay measured networks; judge decisions.", _DEVICE, "astraea.device.simulator.cli", "device"),
)


def main() -> None:
    """Run the command line given to this process, and exit with its status."""
    arguments = sys.argv[1:]
    verb = next((verb for verb in VERBS if arguments[:1] == [verb.name]), None)
    if verb is None:
        _run(_overview(), arguments)
    else:
        _run_verb(verb, arguments)


def _run(application: typer.Typer, arguments: list[str]) -> None:
    typer.main.get_command(application).main(args=arguments, prog_name="astraea")


def _run_verb(verb: Verb, arguments: list[str]) -> None:
    # Imported here because pydantic, behind it, costs a third of the time in which `--help` appears.
    from astraea.protocol import AstraeaError  # noqa: PLC0415

    try:
        _run(_load(verb), arguments)
    except AstraeaError as error:
        _fail(str(error), error.hint)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("astraea"):
            raise
        missing = error.name.partition(".")[0]
        _fail(
            f"`astraea {verb.name}` needs the package {missing!r}, which is not installed",
            f"pip install 'astraea[{verb.extra}]'",
        )
    except OSError as error:
        _fail(f"{error.filename or f'`astraea {verb.name}`'}: {error.strerror or error}", None)
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells report it


def _load(verb: Verb) -> typer.Typer:
    application = importlib.import_module(verb.module).app
    assert isinstance(application, typer.Typer)  # noqa: S101 - a wrong table entry is our own mistake
    return application


def _overview() -> typer.Typer:
    """The top level alone: verbs as names and one line of help, nothing of theirs imported."""
    application = typer.Typer(
        help="Put an AI model within reach of the camera that needs it.",
        epilog="`astraea VERB --help` explains a verb.",
        no_args_is_help=True,
        add_completion=False,
    )
    application.callback()(_root)
    for verb in VERBS:
        application.command(verb.name, help=verb.help, rich_help_panel=verb.panel)(_unreached)
    return application


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - 30 ms that `--help` need not wait for

        typer.echo(f"astraea {version('astraea')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Options of the command itself; `version` ends it in its callback."""


def _unreached() -> None:
    """A verb in the first place never gets here: `main` hands it to its own application."""


def _fail(message: str, hint: str | None) -> None:
    from rich.console import Console  # noqa: PLC0415 - nothing to wait for while all is well
    from rich.markup import escape  # noqa: PLC0415

    console = Console(stderr=True, soft_wrap=True, emoji=False)  # `a:b:c` is no picture
    console.print(f"[bold red]astraea:[/] {escape(message)}" + (f"\n[dim]→[/] {escape(hint)}" if hint else ""))
    sys.exit(1)
