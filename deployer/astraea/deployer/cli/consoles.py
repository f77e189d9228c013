"""Where the verbs write: tables to standard output, what goes on meanwhile to standard error."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.live import Live

from ..packaging.stages import Stage
from ..rollout.canary import Judgement
from ..startup import Progress
from ..views import judgement_table, progress_table

_MIN_COLUMNS = 140


def out() -> Console:
    """For what was asked for."""
    return _unfolded(Console(soft_wrap=True, emoji=False))


def err() -> Console:
    """For what is said beside it."""
    return _unfolded(Console(stderr=True, soft_wrap=True, emoji=False))


def _unfolded(console: Console) -> Console:
    """Addresses are to be copied: a narrow terminal breaks lines itself, where a table would fold its cells."""
    console.width = max(console.width, _MIN_COLUMNS)
    return console


@contextlib.contextmanager
def showing_stages() -> Iterator[Callable[[Stage], None]]:
    """Says what a build has done last, to a person who watches."""
    console = Console(stderr=True)
    with console.status("building") as shown:
        yield lambda stage: shown.update(f"building: {stage.name} took {stage.duration_s:.1f} s")


class Shown:
    """Shows how a deployment goes to a person who watches; to nobody without a terminal.

    Args:
        live: where; None for nobody.
    """

    def __init__(self, live: Live | None) -> None:
        self._live = live

    def progress(self, progress: Sequence[Progress]) -> None:
        """How far instances have come."""
        if self._live is not None:
            self._live.update(progress_table(progress))

    def judged(self, judgement: Judgement) -> None:
        """How a canary's step goes."""
        if self._live is not None:
            self._live.update(judgement_table(judgement))


@contextlib.contextmanager
def showing_progress() -> Iterator[Shown]:
    """Shows a deployment's progress while it lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Shown(None)
        return
    with Live(console=console, transient=True) as live:
        yield Shown(live)
