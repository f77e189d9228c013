"""How services did over the last minutes: one figure every two seconds, for the dashboard's lines."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping

from ..core import Broker

_KEPT = 90
_PERIOD_S = 2.0
_WIDTH, _HEIGHT = 90.0, 24.0


class History:
    """The median service time of each service, lately."""

    def __init__(self) -> None:
        self._known: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def note(self, figures: Mapping[str, float]) -> None:
        """Take the present figures; services that are not among them are forgotten."""
        for name in set(self._known) - set(figures):
            del self._known[name]
        for name, figure in figures.items():
            self._known[name].append(figure)

    def line(self, name: str) -> str:
        """A service's line, as points of an SVG polyline in a box of 90 x 24; from 0 at the bottom to its most."""
        figures = self._known.get(name, ())
        most = max(figures, default=0.0) or 1.0
        start = _WIDTH - len(figures)
        return " ".join(
            f"{start + number:.0f},{_HEIGHT - 1 - figure / most * (_HEIGHT - 2):.1f}"
            for number, figure in enumerate(figures)
        )


async def keep_history(broker: Broker, history: History) -> None:
    """Note each service's figure every now and then, until cancelled."""
    while True:
        figures = broker.figures()
        history.note({name: known.service_ms for name, known in figures.items() if known.service_ms is not None})
        await asyncio.sleep(_PERIOD_S)
