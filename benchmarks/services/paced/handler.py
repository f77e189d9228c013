"""Takes a known time for a frame, as an accelerator that nobody else uses does; finds nothing."""

import time

from astraea.protocol import Detection

EDGE_MS = 12.0


def load(model: None) -> None:
    """There is no model."""


def predict(model: None, body: bytes) -> list[Detection]:  # noqa: ARG001 - as handlers have it
    """Answer one request; the picture is not looked at."""
    time.sleep(EDGE_MS / 1000)
    return []
