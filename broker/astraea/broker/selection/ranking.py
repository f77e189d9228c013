"""Puts the instances of a service in order for one device.

score = round trip + transfer + service + wait + crowding + (cost x what a unit of it is worth) + what matchers add

- The round trip is what devices of that area measured, and what the distance lets expect as far as they did not.
- The transfer is the request's size over the uplink that they measured, and over a usual one as far as they did not.
- The service time is the instance's own recent median; one that has answered nothing yet is taken for a typical one.
- The wait follows from the load that heartbeats report, or from the devices that have been told to go there, whichever
  is more: thousands that ask between two heartbeats don't all get the same answer.
- Crowding is what one more device makes the others wait: it leaves near instances to those that have no other.
- Beyond that, the more the best is in use the more chance there is in the order: brokers that don't know of each
  other's answers yet still spread devices over those that are about as good.
- A device that says which instance it uses keeps it at the top until another is better by a margin.
- The last of three candidates or more is one that may be better than the first, for all that is known, if there is
  any. Devices compare their candidates anyway, and report what they find: nobody is sent there to find out.
"""

from collections.abc import Sequence
from math import isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astraea.protocol import Candidate, Instance, Reasons
from astraea.protocol.broker_api import Ask, Objective

from ..fleet import Column, Pool
from .geography import NEUTRAL_KM, distances_km, expected_rtt_ms
from .matchers import Matcher
from .reports import PRIOR_REPORTS, UPLINK_MBPS, Known
from .waiting import wait_and_crowding_ms

Floats = NDArray[np.float64]

UNMEASURED_SERVICE_MS = 50.0
"""Assumed when no instance has answered anything yet; one without a time of its own gets the median of the others."""
_USED = 2
"""Candidates that a device may be sent to: one, and another if that fails."""
MS_PER_COST = {Objective.LATENCY: 0.0, Objective.BALANCED: 1.0, Objective.COST: 20.0}
"""What one unit of currency, for a million requests, is worth in milliseconds of each request."""
SPREAD_MS = 2.0
"""How far apart two scores may be and still change places by chance often, when the best instance is full."""
UNSURE = 0.3
"""By what share round trips are assumed to scatter around what the distance lets expect, as a standard deviation."""
HOLD_MS = 2.0
"""By how much another must be better than the one in use: less is not worth a move. Devices are slower still to move,
since they compare what they measure themselves; much more here keeps a fleet from where it is served best."""


class _Terms(NamedTuple):
    """What scores are made of, by row of the pool."""

    km: Floats
    rtt_ms: Floats
    measured: Floats
    """By how many reports."""
    transfer_ms: Floats
    service_ms: Floats
    use: Floats
    wait_ms: Floats
    crowding_ms: Floats
    cost: Floats
    cost_ms: Floats
    matchers_ms: Floats

    def scores(self) -> Floats:
        response_ms = self.rtt_ms + self.transfer_ms + self.service_ms + self.wait_ms
        return np.asarray(response_ms + self.crowding_ms + self.cost_ms + self.matchers_ms)


def rank(
    pool: Pool,
    ask: Ask,
    *,
    now: float,
    known: Known | None = None,
    matchers: Sequence[Matcher] = (),
    avoid: frozenset[str] = frozenset(),
    objective: Objective = Objective.LATENCY,
    revision: str | None = None,
    chance: np.random.Generator | None = None,
) -> list[Candidate]:
    """The best instances for a device, the best first; none if none meets its limits.

    Without `chance` the order is total: equal scores are settled by distance, then by load, then by id.

    Args:
        pool: the service's instances.
        ask: what the device wants.
        now: seconds of the clock that leases are counted by.
        known: what devices around there have measured, by row; None for nothing.
        matchers: third parties' judges.
        avoid: nodes that are being drained.
        objective: for a device that names none.
        revision: the only one that the device may get; None for any.
        chance: for spreading devices.
    """
    admitted = _admitted(pool, ask, now, avoid, revision)
    if not admitted.any():
        return []
    terms = _terms(pool, ask, known, MS_PER_COST[ask.objective or objective])
    if ask.max_km is not None:
        admitted &= terms.km <= ask.max_km
    for matcher in matchers:
        _judge(matcher, pool, ask, admitted, terms.matchers_ms)
    rows = np.flatnonzero(admitted)
    if not rows.size:
        return []
    scores = terms.scores()
    best = _order(pool, rows, _spread(scores[rows], terms.use[rows], chance), terms, ask.limit)
    best = _held(best, pool.rows.get(ask.current or ""), admitted, scores, ask.limit)
    if chance is not None and ask.place is not None and len(best) > _USED:
        admitted[best[:_USED]] = False
        promising = _promising(np.flatnonzero(admitted), float(scores[best[0]]), scores, terms, chance)
        best[-1] = best[-1] if promising is None else promising
    return [_candidate(pool.instances[row], row, float(scores[row]), terms, ask) for row in best]


def _admitted(pool: Pool, ask: Ask, now: float, avoid: frozenset[str], revision: str | None) -> NDArray[np.bool_]:
    admitted = pool.available(now)
    for instance_id in ask.unreachable:
        if (row := pool.rows.get(instance_id)) is not None:
            admitted[row] = False
    if avoid or revision or ask.region or ask.tier or ask.gpu:
        fits = (_fits(instance, ask, avoid, revision) for instance in pool.instances)
        admitted &= np.fromiter(fits, np.bool_, len(pool))
    return admitted


def _fits(instance: Instance, ask: Ask, avoid: frozenset[str], revision: str | None) -> bool:
    return (
        instance.node not in avoid
        and revision in (None, instance.revision)
        and ask.region in (None, instance.region)
        and ask.tier in (None, instance.tier)
        and instance.gpu >= ask.gpu
    )


def _terms(pool: Pool, ask: Ask, known: Known | None, ms_per_cost: float) -> _Terms:
    here = ask.place
    km = np.full(len(pool), np.nan) if here is None else distances_km(pool.places, here)
    rtt_ms = _model_rtt_ms(km)
    measured, uplink_ms_per_mb = np.zeros(len(pool)), np.full(len(pool), 8e3 / UPLINK_MBPS)
    if known is not None:
        rtt_ms = np.maximum(rtt_ms + known.late_ms, rtt_ms / 4)  # no path is shorter than the straight one
        measured, uplink_ms_per_mb = known.reports, known.uplink_ms_per_mb
    transfer_ms = uplink_ms_per_mb * (ask.request_bytes / 1e6)
    service_ms = _known_service_ms(pool.column(Column.SERVICE_MS))
    capacity = pool.column(Column.CAPACITY)
    claimed = pool.column(Column.CLAIMED) * service_ms / 1e3  # under way at a time, by Little's law
    use = np.maximum(pool.reported(), claimed) / capacity
    cost = pool.column(Column.PRICE_PER_HOUR) * service_ms / (3.6 * capacity)  # a million of them, an hour's 3.6e6 ms
    cost = cost + pool.column(Column.PRICE_PER_GB) * (ask.request_bytes / 1e3)
    wait_ms, crowding_ms = wait_and_crowding_ms(use, capacity, service_ms)
    cost_ms, matchers_ms = cost * ms_per_cost, np.zeros(len(pool))
    return _Terms(km, rtt_ms, measured, transfer_ms, service_ms, use, wait_ms, crowding_ms, cost, cost_ms, matchers_ms)


def _model_rtt_ms(km: Floats) -> Floats:
    base, per_km = expected_rtt_ms(0.0), expected_rtt_ms(1.0) - expected_rtt_ms(0.0)
    return np.asarray(base + per_km * _known_km(km))


def _known_km(km: Floats) -> Floats:
    return np.where(np.isnan(km), NEUTRAL_KM, km)


def _known_service_ms(service_ms: Floats) -> Floats:
    unknown = np.isnan(service_ms)
    if not unknown.any():
        return service_ms
    typical_ms = UNMEASURED_SERVICE_MS if unknown.all() else float(np.median(service_ms[~unknown]))
    return np.where(unknown, typical_ms, service_ms)


def _judge(matcher: Matcher, pool: Pool, ask: Ask, admitted: NDArray[np.bool_], added_ms: Floats) -> None:
    for row in np.flatnonzero(admitted).tolist():
        opinion = matcher(ask, pool.instances[row])
        if opinion is None:
            admitted[row] = False
        else:
            added_ms[row] += opinion


def _spread(scores: Floats, use: Floats, chance: np.random.Generator | None) -> Floats:
    """Scores less Gumbel noise: their order is one of drawing without replacement, by exp(-score / spread)."""
    if chance is None:
        return scores
    spread_ms = SPREAD_MS * min(float(use[scores.argmin()]), 1.0)
    return np.asarray(scores - spread_ms * chance.gumbel(size=scores.size))


def _order(pool: Pool, rows: NDArray[np.int_], keys: Floats, terms: _Terms, limit: int) -> list[int]:
    if keys.size > limit:
        near = keys <= np.partition(keys, limit - 1)[limit - 1]
        rows, keys = rows[near], keys[near]
    km = _known_km(terms.km[rows]).tolist()
    ids = [pool.instances[row].id for row in rows.tolist()]
    order = list(zip(keys.tolist(), km, terms.use[rows].tolist(), ids, rows.tolist(), strict=True))
    return [row for *_, row in sorted(order)[:limit]]


def _held(best: list[int], current: int | None, admitted: NDArray[np.bool_], scores: Floats, limit: int) -> list[int]:
    """The order with the instance in use first, unless another is better by the margin."""
    if current is None or not admitted[current] or best[0] == current:
        return best
    if scores[current] > scores[admitted].min() + HOLD_MS:
        return best
    return [current, *(row for row in best if row != current)][:limit]


def _promising(
    rows: NDArray[np.int_], to_beat: float, scores: Floats, terms: _Terms, chance: np.random.Generator
) -> int | None:
    """One of these rows that may be better than a score for all that is known; None if none is likely to be.

    Thompson sampling: W. R. Thompson, "On the likelihood that one unknown probability exceeds another", Biometrika 25
    (1933); each row is drawn as often as it is likely to be the best.
    """
    unsure_ms = UNSURE * terms.rtt_ms[rows] / np.sqrt(1 + terms.measured[rows] / PRIOR_REPORTS)
    drawn = scores[rows] + unsure_ms * chance.standard_normal(rows.size)
    return int(rows[drawn.argmin()]) if drawn.min() < to_beat else None


def _candidate(instance: Instance, row: int, score_ms: float, terms: _Terms, ask: Ask) -> Candidate:
    km = float(terms.km[row])
    known = not isnan(km)
    return Candidate(
        instance=instance,
        distance_km=round(km, 3) if known else None,  # to the metre and the microsecond: the rest is noise
        score_ms=max(round(score_ms, 3), 0.0),  # a matcher may give more than an instance takes
        reasons=_reasons(row, terms, known) if ask.explain else None,
    )


def _reasons(row: int, terms: _Terms, known: bool) -> Reasons:
    figures = {
        name: round(float(getattr(terms, name)[row]), 3)
        for name in ("rtt_ms", "service_ms", "wait_ms", "crowding_ms", "use", "transfer_ms")
    }
    return Reasons(
        rtt_from="reports" if terms.measured[row] >= 2 * PRIOR_REPORTS else "distance" if known else "unknown place",
        cost_per_million=round(float(terms.cost[row]), 3),
        cost_ms=round(float(terms.cost_ms[row]), 3),
        matchers_ms=round(float(terms.matchers_ms[row]), 3),
        **figures,
    )
