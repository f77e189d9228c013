"""What sessions come to: the figures that policies are compared by."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

from ..decision import Ladder, Objective
from ..profile import Profile
from .players import ORACLE
from .replay import Session


class Figures(NamedTuple):
    """One policy on one trace."""

    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    deadline_miss_pct: float
    """Of the answered frames."""
    regret_pct: float
    """The mean over the oracle's, less 1."""
    switches: int
    """How often a frame went elsewhere than the one before it."""
    probe_bytes_pct: float
    """Of the bytes that sending every frame would take."""


class LoopFigures(NamedTuple):
    """What a closed loop has besides."""

    answered_fps: float
    dropped_pct: float


class ObjectiveFigures(NamedTuple):
    """What the other objectives are about, a frame's mean."""

    accuracy: float
    """An answer after the deadline counts nothing."""
    energy_j: float
    cost: float


def figures(session: Session, oracle: Session, profile: Profile) -> Figures:
    """Sum up one session; `oracle` is the oracle's on the same trace."""
    times_ms = sorted(answer.response_ms for answer in session.answers)
    oracle_ms = mean_ms([oracle])
    return Figures(
        mean_ms=mean_ms([session]),
        p50_ms=_quantile(times_ms, 0.50),
        p95_ms=_quantile(times_ms, 0.95),
        p99_ms=_quantile(times_ms, 0.99),
        deadline_miss_pct=100 - 100 * bisect_left(times_ms, session.deadline_ms + 1e-6) / len(times_ms),
        regret_pct=regret_pct(mean_ms([session]), oracle_ms),
        switches=sum(before.target != after.target for before, after in pairwise(session.answers)),
        probe_bytes_pct=100 * session.probe_bytes / (session.frames * Ladder(profile, 0.0).full.bytes),
    )


def loop_figures(session: Session) -> LoopFigures:
    """What a closed loop answered, and what it had no time for."""
    answered = len(session.answers)
    return LoopFigures(answered / session.duration_s, 100 - 100 * answered / session.frames)


def objective_figures(session: Session) -> ObjectiveFigures:
    """What a session's answers were worth, and what they took."""
    answers, count = session.answers, len(session.answers)
    in_time = (answer.accuracy for answer in answers if answer.response_ms <= session.deadline_ms + 1e-6)
    return ObjectiveFigures(
        accuracy=sum(in_time) / count,
        energy_j=sum(answer.joules for answer in answers) / count,
        cost=sum(answer.price for answer in answers) / count,
    )


def mean_ms(sessions: Iterable[Session]) -> float:
    """Over all frames of the sessions."""
    times_ms = [answer.response_ms for session in sessions for answer in session.answers]
    return sum(times_ms) / len(times_ms)


def regret_pct(policy_ms: float, oracle_ms: float) -> float:
    """How much longer a frame took than it had to, of what it had to."""
    return 100 * (policy_ms / oracle_ms - 1)


def as_document(
    traces: Mapping[str, Mapping[str, Session]], profile: Profile, objective: Objective, *, closed_loop: bool
) -> dict[str, Any]:
    """The figures of `{trace: {policy: session}}`, as `astraea simulate --json` prints them."""
    return {
        "traces": [
            {
                "trace": trace,
                "frames": sessions[ORACLE].frames,
                "policies": {
                    policy: figures(session, sessions[ORACLE], profile)._asdict()
                    | (objective_figures(session)._asdict() if objective.aim != "latency" else {})
                    | (loop_figures(session)._asdict() if closed_loop else {})
                    for policy, session in sessions.items()
                },
            }
            for trace, sessions in traces.items()
        ]
    }


def _quantile(ordered: list[float], share: float) -> float:
    """The least value that at least this share of them does not exceed."""
    return ordered[max(0, ceil(share * len(ordered) - 1e-9) - 1)]
