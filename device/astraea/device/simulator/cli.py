"""`astraea simulate`: what would the client have decided on a measured network, and how good would that have been?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..decision import Aim, Objective
from ..errors import DeviceError, SimulationError
from ..profile import Profile, read_profile
from .figures import as_document
from .players import ADAPTIVE
from .replay import Session
from .replay import simulate as simulate_trace
from .trace import FORMAT_HINT, Trace, read_trace

app = typer.Typer(add_completion=False)


@app.callback()
def simulator() -> None:
    """Keep the verb a verb although it is the only one."""


@app.command(epilog="Example: astraea simulate --trace drive.csv --trace office.csv --plot drive.png")
def simulate(  # noqa: PLR0917 - the command line's options
    trace: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A measured uplink: CSV with t_s,uplink_mbps[,rtt_ms]. Repeatable."),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of `astraea profile`, or YAML with local_ms, edge_ms, frame_bytes, ..."),
    ] = None,
    objective: Annotated[
        Aim, typer.Option(help="What is to be best: the response time, or within the deadline one of the others.")
    ] = "latency",
    deadline_ms: Annotated[
        float | None, typer.Option(min=1, help="From capture to answer; by default the profile's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw response times over time.")] = None,
    closed_loop: Annotated[
        bool, typer.Option("--closed-loop", help="Keep device and link busy; drop frames that find no time.")
    ] = False,
    hedge: Annotated[
        bool, typer.Option("--hedge/--no-hedge", help="Whether the device may begin on a frame sent away as well.")
    ] = True,
) -> None:
    """Replay measured networks: how good would the client's decisions have been?

    Its policy is compared with an oracle that knows the trace, with the device alone, the edge alone, and an average
    of the bandwidth as one writes it by hand. `regret` is how much longer a frame took than with the oracle. Objectives
    other than latency add what they are about; an answer after the deadline counts nothing for `accuracy`.
    """
    if not trace:
        raise SimulationError("no trace is given: name one or more with --trace FILE", hint=FORMAT_HINT)
    what = read_profile(profile) if profile else Profile()
    traces = _named([read_trace(path) for path in trace])
    console = Console(stderr=True)
    bar = track(traces.items(), "simulating", console=console, transient=True, disable=not console.is_terminal)
    aim = _objective(objective, deadline_ms, what)
    sessions = {name: simulate_trace(one, what, aim, closed_loop=closed_loop, hedge=hedge) for name, one in bar}
    if plot:
        _plot(traces, sessions, plot)
    document = as_document(sessions, what, aim, closed_loop=closed_loop)
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        for figures in document["traces"]:
            Console().print(_table(figures, sessions[figures["trace"]]))


def _objective(aim: Aim, deadline_ms: float | None, profile: Profile) -> Objective:
    return Objective(aim, deadline_ms if aim == "latency" else deadline_ms or profile.deadline_ms)


def _named(traces: Sequence[Trace]) -> dict[str, Trace]:
    """By name; the second of a name has its number behind it."""
    named: dict[str, Trace] = {}
    for trace in traces:
        count = sum(trace.name == name.partition(" #")[0] for name in named)
        named[f"{trace.name} #{count + 1}" if count else trace.name] = trace
    return named


def _plot(traces: dict[str, Trace], sessions: dict[str, dict[str, Session]], path: Path) -> None:
    try:
        from .plot import plot_sessions  # noqa: PLC0415 - matplotlib: heavy, and a device has none
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"--plot needs the package {error.name!r}, which is not installed", hint="pip install 'astraea[demo]'"
        ) from None
    try:
        plot_sessions(traces, sessions, path)
    except (OSError, ValueError) as error:
        raise DeviceError(f"{path} can't be written: {str(error).splitlines()[0]}") from None


_SHOWN = {"accuracy": "{:.3f}", "energy_j": "{:.3f}", "cost": "{:.3g}", "switches": "{:.0f}"}
_LESS_TELLING = {"p50_ms", "regret_pct"}
"""Left out where an objective's own figures are shown, for a terminal is only so wide; --json has them all."""


def _table(figures: dict[str, Any], sessions: dict[str, Session]) -> Table:
    columns = list(figures["policies"][ADAPTIVE])
    if "accuracy" in columns:
        columns = [column for column in columns if column not in _LESS_TELLING]
    table = Table("policy", title=f"{figures['trace']}, {figures['frames']} frames", title_justify="left")
    for column in (*columns, "hedged_pct"):
        table.add_column(column.replace("deadline_", "").replace("_pct", " %").replace("_", " "), justify="right")
    for policy, values in figures["policies"].items():
        answers = sessions[policy].answers
        hedged_pct = 100 * sum(answer.hedged for answer in answers) / len(answers)
        cells = [_SHOWN.get(column, "{:.1f}").format(values[column]) for column in columns]
        table.add_row(policy, *cells, f"{hedged_pct:.1f}")
    return table
