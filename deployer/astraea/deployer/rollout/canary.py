"""The steps by which a new revision takes over: more and more devices, as long as nothing speaks against it."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import httpx

from ..engines import InstanceStatus
from ..errors import DeployError, RolloutAborted
from .judging import Sample, judge
from .sampling import Sampler
from .sharing import Sharing

_LOOK_S = 0.5
_WHOLE = 100.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)")
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


class CanaryPlan(NamedTuple):
    """How a new revision takes over."""

    percents: tuple[float, ...]
    """Of devices, step by step; the last is 100."""
    every_s: float
    """How long each step is watched."""


class Judgement(NamedTuple):
    """How a step goes."""

    percent: float
    left_s: float
    canary: Sample
    stable: Sample


def parse_canary(percents: str, every: str) -> CanaryPlan:
    """Read `5,25,100` and `2m`.

    Raises:
        DeployError: they can't be read.
    """
    match = _DURATION.fullmatch(every)
    try:
        steps = tuple(float(part) for part in percents.split(","))
    except ValueError:
        steps = ()
    if not steps or list(steps) != sorted(set(steps)) or not steps[0] >= 0 or steps[-1] > _WHOLE:
        raise DeployError(f"--canary: {percents!r} is no list of growing percentages", hint="such as 5,25,100")
    if match is None:
        raise DeployError(f"--every: {every!r} is no time", hint="such as 30s, 2m or 1h")
    every_s = float(match[1]) * _UNITS_S[match[2]]
    return CanaryPlan(steps if steps[-1] == _WHOLE else (*steps, _WHOLE), every_s)


def weights(canary: str, percent: float, stable: Iterable[str]) -> dict[str, float]:
    """The canary's share and what is left for the others; it comes first, so that devices which got it keep it."""
    others = sorted(set(stable) - {canary})
    return {canary: percent, **dict.fromkeys(others, (_WHOLE - percent) / max(len(others), 1))}


def take_over(
    plan: CanaryPlan,
    client: httpx.Client,
    sharing: Sharing,
    canaries: Sequence[InstanceStatus],
    stable: Sequence[InstanceStatus],
    *,
    check: Callable[[], None],
    on_judged: Callable[[Judgement], None] = lambda _judgement: None,
) -> None:
    """Give the new revision its shares, one after the other.

    Args:
        plan: which, and for how long.
        client: asks the instances.
        sharing: of the service.
        canaries: the new revision's instances.
        stable: the others'.
        check: raises if a new instance fails by itself.
        on_judged: is told how it goes.

    Raises:
        RolloutAborted: it does worse; no device is given to it any more.
    """
    revision = canaries[0].plan.revision
    others = {instance.plan.revision for instance in stable}
    try:
        for percent in plan.percents:
            sharing.share(weights(revision, percent, others))
            _watch(plan, percent, Sampler(client, canaries), Sampler(client, stable), check=check, on_judged=on_judged)
    except BaseException:
        sharing.share(weights(revision, 0, others))
        raise


def _watch(
    plan: CanaryPlan,
    percent: float,
    canary: Sampler,
    stable: Sampler,
    *,
    check: Callable[[], None],
    on_judged: Callable[[Judgement], None],
) -> None:
    """Look on for as long as a step lasts. At 100 percent the stable revision has nothing to compare with any more."""
    end = time.monotonic() + plan.every_s
    while (left_s := end - time.monotonic()) > 0:
        time.sleep(min(_LOOK_S, left_s))
        check()
        judgement = Judgement(percent, max(left_s, 0), canary.sample(), stable.sample())
        on_judged(judgement)
        if (reason := judge(judgement.canary, judgement.stable)) is not None:
            raise RolloutAborted(
                f"the new revision was taken back at {percent:g} %: {reason}",
                hint="the stable revision serves all devices again; `astraea logs` and /metrics tell more",
            )
