"""Whether a new revision does worse than the stable one. Pure: it sees what was measured, and nothing else."""

import math
from collections.abc import Mapping
from typing import NamedTuple

MIN_REQUESTS = 20
"""With fewer on either side nothing can be said of the answers."""
MAX_SLOWDOWN = 1.5
"""Of an answer, over the stable revision's 95th percentile: longer is late."""
_SLOWER_BY_S = 0.005
"""And later by this: histogram buckets are coarse, and so is a busy machine."""
_FAILED_BY, _LATE_BY = 0.01, 0.05
"""What more of the answers must be at fault."""
_SURE = 3.1
"""Standard errors: by chance alone one comparison in a thousand exceeds it; a step is looked at hundreds of times."""


class Copies(NamedTuple):
    """What became of copies of a revision's requests, which its instances sent to the canary."""

    compared: int = 0
    failed: int = 0
    """That the canary did not answer, though it was reached."""
    disagreement: float = 0.0
    """Of the answers to those that were compared, from 0 to 1 each, in sum."""
    refused: int = 0
    """For which the canary had no worker free."""

    def plus(self, more: "Copies") -> "Copies":
        """These and more."""
        return Copies(
            self.compared + more.compared,
            self.failed + more.failed,
            self.disagreement + more.disagreement,
            self.refused + more.refused,
        )

    def less(self, before: "Copies") -> "Copies":
        """These without the ones before."""
        return self.plus(Copies(-before.compared, -before.failed, -before.disagreement, -before.refused))


class Sample(NamedTuple):
    """What a revision's instances answered in a while."""

    requests: int
    errors: int
    """Answers that were the server's fault: status 500 and above."""
    within: Mapping[float, int]
    """Answers that took at most so many seconds, by that bound, as Prometheus counts them."""
    frames: int = 0
    """That it was to answer, as devices tell."""
    missed: int = 0
    """Of those: answered after the device's deadline, by another target, or by nobody."""
    copies: Copies = Copies()


def judge(canary: Sample, stable: Sample, max_disagreement: float = 1.0) -> str | None:
    """Why the new revision should be taken back; None if there is no reason, or too little to see one.

    Args:
        canary: what the new revision answered.
        stable: what the other did, and what became of copies of its requests.
        max_disagreement: of the answers to these, on average, from 0 to 1; with 1 they don't matter.
    """
    if min(canary.requests, stable.requests) >= MIN_REQUESTS and (
        reason := _errors(canary, stable) or _latency(canary, stable)
    ):
        return reason
    if min(canary.frames, stable.frames) >= MIN_REQUESTS and (reason := _misses(canary, stable)):
        return reason
    return _unanswered(stable.copies) or _disagreement(stable.copies, max_disagreement)


def _errors(canary: Sample, stable: Sample) -> str | None:
    if _more((canary.errors, canary.requests), (stable.errors, stable.requests), by=_FAILED_BY):
        bad, usual = canary.errors / canary.requests, stable.errors / stable.requests
        return f"{bad:.1%} of {canary.requests} requests failed, of the stable revision's {usual:.1%}"
    return None


def _latency(canary: Sample, stable: Sample) -> str | None:
    usual_s = quantile_s(stable.within, 0.95)
    if usual_s is None or not _total(canary.within):
        return None
    limit_s = max(MAX_SLOWDOWN * usual_s, usual_s + _SLOWER_BY_S)
    late, usual = _later(canary.within, limit_s), _later(stable.within, limit_s)
    if not _more((late, _total(canary.within)), (usual, _total(stable.within)), by=_LATE_BY):
        return None
    share = late / _total(canary.within)
    return (
        f"{share:.0%} of its answers took more than {limit_s * 1e3:.0f} ms; "
        f"the stable revision's 95th percentile is {usual_s * 1e3:.0f} ms"
    )


def _misses(canary: Sample, stable: Sample) -> str | None:
    if _more((canary.missed, canary.frames), (stable.missed, stable.frames), by=_LATE_BY):
        bad, usual = canary.missed / canary.frames, stable.missed / stable.frames
        return f"devices missed {bad:.1%} of {canary.frames} frames' answers, of the stable revision's {usual:.1%}"
    return None


def _unanswered(copies: Copies) -> str | None:
    sent, tried = copies.compared + copies.failed, copies.failed + copies.refused
    if copies.failed and not copies.compared and tried >= MIN_REQUESTS:  # all its workers hang
        return f"none of {tried} copies of the stable revision's requests got an answer"
    if sent >= MIN_REQUESTS and _more((copies.failed, sent), (0, sent), by=_LATE_BY):
        return f"{copies.failed / sent:.1%} of {sent} copies of the stable revision's requests got no answer"
    return None


def _disagreement(copies: Copies, most: float) -> str | None:
    """A one-sided test of a mean. Numbers from 0 to 1 scatter no more than if each were one of the two."""
    if copies.compared < MIN_REQUESTS:
        return None
    mean = copies.disagreement / copies.compared
    if mean - most <= _SURE * math.sqrt(most * (1 - most) / copies.compared):
        return None
    return (
        f"its answers to {copies.compared} copied requests disagree by {mean:.0%} with the stable revision's; "
        f"--max-disagreement lets it be {most:.0%}"
    )


def _more(bad: tuple[float, float], usual: tuple[float, float], *, by: float) -> bool:
    """Whether a share is larger than another, by this and beyond chance; each is a count and that of which it is.

    A one-sided test of two proportions: https://en.wikipedia.org/wiki/Two-proportion_Z-test.
    """
    (few, of_few), (many, of_many) = bad, usual
    both = (few + many) / (of_few + of_many)
    deviation = math.sqrt(max(both * (1 - both), 0) * (1 / of_few + 1 / of_many))
    return few / of_few - many / of_many > max(by, _SURE * deviation)


def _later(within: Mapping[float, int], limit_s: float) -> float:
    """How many answers took longer, with those of a bucket spread evenly over it."""
    lower_s, before = 0.0, 0
    for bound_s in sorted(within):
        if bound_s >= limit_s:
            share = 0.0 if math.isinf(bound_s) else (limit_s - lower_s) / (bound_s - lower_s)
            return _total(within) - before - share * (within[bound_s] - before)
        lower_s, before = bound_s, within[bound_s]
    return 0.0


def _total(within: Mapping[float, int]) -> int:
    return max(within.values(), default=0)


def quantile_s(within: Mapping[float, int], share: float) -> float | None:
    """The time that this share of answers stayed below, between the bounds of its bucket; None without answers.

    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
    """
    bounds = sorted(within)
    total = within[bounds[-1]] if bounds else 0
    if not total:
        return None
    wanted, lower_s, before = share * total, 0.0, 0
    for bound_s in bounds:
        if within[bound_s] >= wanted:
            if math.isinf(bound_s):
                return lower_s
            return lower_s + (bound_s - lower_s) * (wanted - before) / max(within[bound_s] - before, 1)
        lower_s, before = bound_s, within[bound_s]
    return lower_s
