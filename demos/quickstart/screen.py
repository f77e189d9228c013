"""The run as it happens, in the terminal: what each frame got."""

from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .experiment import Answered, found_in

_ROWS = 14
_COLOURS = {"device": "yellow", "edge": "green", "cloud": "cyan", None: "red"}
_CONDITION_COLOURS = {"good": "green", "restored": "green", "throttled": "yellow", "cut": "red"}


class Screen:
    """Shows the last frames in place on a terminal, and every frame as a line anywhere else."""

    def __init__(self, console: Console, title: str, total: int) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._rows: deque[Answered] = deque(maxlen=_ROWS)
        self._count = 0
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, answered: Answered) -> None:
        """One more frame has been answered."""
        self._rows.append(answered)
        self._count += 1
        if self._live is not None:
            self._live.update(self.picture(), refresh=True)
        else:
            self._console.print(_line(answered), soft_wrap=True)

    def picture(self) -> Panel:
        """The last frames as a table, below a bar of how far the run has come."""
        table = Table(expand=True, box=None, header_style="bold")
        for heading, justify in _COLUMNS:
            table.add_column(heading, justify="right" if justify else "left", no_wrap=True)
        for answered in self._rows:
            table.add_row(*_cells(answered))
        bar = ProgressBar(total=self._total, completed=self._count)
        return Panel(Group(bar, Text(), table), title=self._title, border_style="blue")


_COLUMNS = (
    ("frame", True),
    ("uplink", False),
    ("answered by", False),
    ("predicted ms", True),
    ("actual ms", True),
    ("found", False),
    ("", False),
)


def _cells(answered: Answered) -> tuple[Text, ...]:
    result, condition = answered.result, answered.condition
    return (
        Text(str(result.seq)),
        Text(condition.name, _CONDITION_COLOURS.get(condition.name, "")),
        Text(result.tier or "nobody", _COLOURS[result.tier]),
        Text(f"{result.predicted_ms:.0f}"),
        Text(f"{result.actual_ms:.0f}"),
        Text(found_in(result)),
        Text(result.fallback or result.failure or "", "dim"),
    )


def _line(answered: Answered) -> Text:
    seq, condition, tier, predicted, actual, found, remark = _cells(answered)
    times = f"predicted {predicted.plain:>4} ms, took {actual.plain:>4} ms"
    return Text(f"{seq.plain:>4} {condition.plain:<9} {tier.plain:<6} {times}  {found.plain}  {remark.plain}".rstrip())
