"""The steps in which devices move over to a new revision, as they are asked for and stored. Pure."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import DeployError

WHOLE = 100.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)")
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


class CanaryPlan(NamedTuple):
    """How a new revision takes over."""

    percents: tuple[float, ...]
    """Of devices, step by step; the last is 100."""
    every_s: float
    """How long each step is watched."""
    shadow_share: float = 0.1
    """Of the requests that other revisions answer, from 0 to 1: so many are copied to the new one, to be compared."""
    max_disagreement: float = 0.2
    """Of its answers to these with theirs, on average, from 0 to 1; with 1 they may be any.

    The default is between a detector that sees its pictures a little otherwise (6 %) and one that takes red for blue
    (26 %); another network (35 %) has to be announced. See `python -m benchmarks.disagreement`.
    """


def parse_canary(percents: str, every: str, shadow: float = 10.0, max_disagreement: float = 20.0) -> CanaryPlan:
    """Read `5,25,100` and `2m`; what is copied, and how much of it may disagree, are percentages.

    Raises:
        DeployError: they can't be read.
    """
    match = _DURATION.fullmatch(every)
    try:
        steps = tuple(float(part) for part in percents.split(","))
    except ValueError:
        steps = ()
    if not steps or list(steps) != sorted(set(steps)) or not steps[0] >= 0 or steps[-1] > WHOLE:
        raise DeployError(f"--canary: {percents!r} is no list of growing percentages", hint="such as 5,25,100")
    if match is None:
        raise DeployError(f"--every: {every!r} is no time", hint="such as 30s, 2m or 1h")
    every_s = float(match[1]) * _UNITS_S[match[2]]
    steps = steps if steps[-1] == WHOLE else (*steps, WHOLE)
    return CanaryPlan(steps, every_s, shadow / WHOLE, max_disagreement / WHOLE)


def weights(canary: str, percent: float, stable: Iterable[str]) -> dict[str, float]:
    """The canary's share and what is left for the others; it comes first, so that devices which got it keep it."""
    others = sorted(set(stable) - {canary})
    return {canary: percent, **dict.fromkeys(others, (WHOLE - percent) / max(len(others), 1))}
