"""How many instances a service needs. Pure: a function of what was measured, and of time.

Up as soon as a short window says so, down only when nothing in a long one speaks against it, as Knative and Kubernetes
have it: https://knative.dev/docs/serving/autoscaling/kpa-specific/ and
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#default-behavior. What counts is the time
that workers are at work, which doesn't depend on how many there are; and waiting, for work can't exceed what there are.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import ceil
from typing import NamedTuple

from astraea.protocol import Scale

UP_WINDOW_S = 6.0
"""As Knative's panic window."""
DOWN_WINDOW_S = 120.0
"""Longer than a model takes to load, so that a pause between two bursts ends nothing."""
MAX_UTILISATION = 0.7
"""Of workers' time; above it, requests that come at random wait for longer than they are worked on."""
LOW_UTILISATION = 0.6
"""What fewer instances would have must stay below this: the gap to the above keeps a steady load from flapping."""
MAX_WAIT = 2.0
"""Of an answer's own time: longer queues ask for another instance, whatever the utilisation."""
_ENOUGH = 3
_BIT = 1e-9


class Usage(NamedTuple):
    """What a service's instances did since the usage before."""

    at: float
    """Monotonic seconds, at its end."""
    instances: int
    """That were measured: those that are ready, and were before."""
    busy: float
    """Workers at work, of all instances together, on average."""
    capacity: float
    """Workers of one instance."""
    wait: float
    """What answers waited for a worker, over what they took from then on."""


def wanted(usages: Sequence[Usage], current: int, scale: Scale, now: float, asked_s: float | None = None) -> int:
    """How many instances there should be from now on, from `scale.min` to `scale.max`.

    With a minimum of 0 there are none once no device has asked for the service for the long window, and one as soon as
    a device does.

    Args:
        usages: of the last `DOWN_WINDOW_S` or longer, the oldest first.
        current: how many there should be up to now.
        scale: the bounds.
        now: monotonic seconds.
        asked_s: seconds since a device asked for the service; None if none ever did.
    """
    idle = asked_s is None or asked_s > DOWN_WINDOW_S
    bounded = min(max(current, scale.min), scale.max)
    if current == 0:
        return bounded if idle else max(bounded, 1)
    if bounded != current:
        return bounded
    # Those that are just being started show in no figure yet: first they have to be seen at work.
    recent = [usage for usage in usages if usage.at > now - UP_WINDOW_S and usage.instances >= current]
    if len(recent) >= _ENOUGH and (more := _upwards(recent, current)) > current:
        return min(more, scale.max)
    if usages and usages[0].at <= now - DOWN_WINDOW_S:
        return max(min(_downwards(usages, now), current), scale.min, 0 if idle else 1)
    return current


def _upwards(recent: Sequence[Usage], current: int) -> int:
    needed = _needed(_mean(usage.busy for usage in recent), recent[-1].capacity, MAX_UTILISATION)
    return max(needed, current + 1) if _crowded(recent) else needed


def _downwards(usages: Sequence[Usage], now: float) -> int:
    """The most that any stretch of the long window needed; without a bound if one was crowded."""
    window = [usage for usage in usages if usage.at > now - DOWN_WINDOW_S]
    stretches = [list(part) for _, part in groupby(window, key=lambda usage: usage.at // UP_WINDOW_S)]
    if not stretches or any(map(_crowded, stretches)):
        return ceil(1e9)
    peak = max(_mean(usage.busy for usage in part) for part in stretches)
    return _needed(peak, window[-1].capacity, LOW_UTILISATION)


def _crowded(usages: Sequence[Usage]) -> bool:
    return _mean(usage.wait for usage in usages) > MAX_WAIT


def _needed(busy: float, capacity: float, utilisation: float) -> int:
    return ceil(busy / (capacity * utilisation) - _BIT)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
