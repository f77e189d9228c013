"""Third parties' say in the selection.

A package adds a matcher by an entry point of the group `astraea.broker.matchers`. A matcher is asked about every
instance that meets the hard limits; it answers with milliseconds to add to the score (0: no opinion), or with None to
rule the instance out. It runs for every question of every device: keep it to arithmetic on what it is given.
"""

from importlib.metadata import entry_points
from typing import Protocol

from astraea.protocol import Instance
from astraea.protocol.broker_api import Ask

from ..errors import MatcherError

GROUP = "astraea.broker.matchers"


class Matcher(Protocol):
    """Judges one instance for one device."""

    def __call__(self, ask: Ask, instance: Instance) -> float | None:
        """Milliseconds to add to the score; None rules the instance out."""


def installed_matchers() -> dict[str, Matcher]:
    """The matchers of the packages installed here, by the names of their entry points.

    Raises:
        MatcherError: one can't be imported, or can't be called.
    """
    matchers: dict[str, Matcher] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            matcher = entry.load()
        except Exception as error:
            raise _refused(entry.name, entry.value, str(error)) from error
        if not callable(matcher):
            raise _refused(entry.name, entry.value, "it can't be called")
        matchers[entry.name] = matcher
    return matchers


def _refused(name: str, value: str, reason: str) -> MatcherError:
    return MatcherError(
        f"the matcher {name!r} ({value}) can't be used: {reason}", hint="mend or uninstall the package that brings it"
    )
