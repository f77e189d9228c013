"""Many frames at once: several under way, none waiting, their results in the order that is asked for."""

from .delivery import Late
from .pipeline import Outcome, Pipeline
from .stream import Stream

__all__ = ["Late", "Outcome", "Pipeline", "Stream"]
