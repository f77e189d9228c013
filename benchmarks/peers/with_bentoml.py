"""BentoML around the handler: `bentoml serve benchmarks.peers.with_bentoml:Service`, with its defaults."""

from pathlib import Path
from typing import Annotated, Any

import bentoml
from bentoml.validators import ContentType

from .handler import Finder


@bentoml.service
class Service:
    """As its documentation shows for a file."""

    def __init__(self) -> None:
        self._find = Finder()

    @bentoml.api  # type: ignore[untyped-decorator] # it is not there when types are checked
    def predict(self, image: Annotated[Path, ContentType("image/jpeg")]) -> dict[str, Any]:
        return self._find(image.read_bytes())
