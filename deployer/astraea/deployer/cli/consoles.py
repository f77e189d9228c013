"""Where the verbs write: tables to standard output, what goes on meanwhile to standard error."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.live import Live

from ..deployment import Progress
from ..packaging.stages import Stage
from ..views import progress_table

_MIN_COLUMNS = 140


def out() -> Console:
    """For what was asked for."""
    return _unfolded(Console(soft_wrap=True))


def err() -> Console:
    """For what is said beside it."""
    return _unfolded(Console(stderr=True, soft_wrap=True))


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


@contextlib.contextmanager
def showing_progress() -> Iterator[Callable[[Sequence[Progress]], None]]:
    """Shows a deployment's progress while it lasts, to a person who watches."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _progress: None
        return
    with Live(console=console, transient=True) as live:
        yield lambda progress: live.update(progress_table(progress))
