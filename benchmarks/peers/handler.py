"""The handler that every server here serves, and its model."""

from pathlib import Path
from typing import Any

from astraea.edge_server.handler import import_handler, load_model
from astraea.models import pull

FOLDER = Path(__file__).parents[1] / "services" / "finder"


class Finder:
    """The plate detector at 320 x 320; see `benchmarks/services/finder`."""

    def __init__(self) -> None:
        self._handler = import_handler(FOLDER / "handler.py")
        self._model = load_model(self._handler, pull("plates"))

    def __call__(self, jpeg: bytes) -> dict[str, Any]:
        """What the handler answers."""
        answer: dict[str, Any] = self._handler.predict(self._model, jpeg)
        return answer
