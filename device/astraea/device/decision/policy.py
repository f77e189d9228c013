"""The offload decision: where to answer the next frame and in which encoding, from what has been measured so far.

Pure: no clock, no socket, so that the client, the tests and a simulator run the very same code. It compares

    predicted(device) = queue + local inference
    predicted(remote) = encode + bytes / bandwidth + round trip + the server's own time

each with its uncertainty, over the rungs of the encoding ladder, and takes into account that the device can begin on a
frame as well when a remote answer does not come (see `hedge`), and what the silence of a target says (see
`outstanding`). It stays with the target in use unless another is better by more than the two are uncertain, so it does
not flap between equals; and it asks for probes of what it does not use, so that it learns when that has become better.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from ..encoding import Encoding, Size
from ..profile import Profile
from .choice import SURE, cheapest, choose, choose_way, most_accurate
from .estimates import Estimate
from .hedge import PRICE, Hedge, hedge
from .knowledge import LOCAL, Knowledge
from .objective import Objective
from .options import Option
from .probing import PROBE_BYTES, Probe, Prober

_SILENT_RATIO = 4.0
"""A target silent for so many times what the device takes for a frame gets one frame at a time: in an outage the device
answers anyway, and the rest would stand in the way when the link comes back."""
_LEAST_LEFT_MS = 1.0
"""A frame that is too old when its turn comes is answered all the same, and late."""
_GIVE_UP_MS = 2000.0
"""A link that was cut is known to be away after this long, so that probes can begin to look for its return..."""
_GIVE_UP_ALONE_MS = 10_000.0
"""...but where there is no other target, a slow answer is worth the wait."""


class Decision(NamedTuple):
    """Where to answer a frame, and how."""

    target: str
    predicted_ms: float
    """Until the first answer, whoever gives it."""
    patience_ms: float
    """When nothing has come back after this long, let the device answer too: 0 for both at once."""
    give_up_ms: float
    """When nothing has come back after this long, nothing will."""
    encoding: Encoding | None = None
    """How to send it; None where it stays on the device."""
    p99_ms: float = inf
    """99 of 100 answers of the target have come by then; infinite when it owes answers that are overdue."""
    expected_ms: Mapping[str, float] = {}
    """What each target that could be asked would take, were nothing overdue."""


class Policy(Knowledge):
    """Chooses a target per frame and learns from every answer. `now` is seconds on any monotonic clock.

    Args:
        local: whether the device can answer by itself.
        hedge: whether it may begin on a frame that a remote target has not answered. Without, and when energy is to be
            spared, each frame has one target.
        objective: what to serve; the soonest answer if None.
        profile: what was measured beforehand; the defaults of `Profile` if None, until frames tell better.
    """

    def __init__(
        self, *, local: bool, hedge: bool = True, objective: Objective | None = None, profile: Profile | None = None
    ) -> None:
        self.objective = objective or Objective()
        super().__init__(
            local=local,
            profile=profile or Profile(),
            aim=self.objective.aim,
            accuracy_loss=self.objective.accuracy_loss,
        )
        self._may_hedge = local and hedge and self.objective.aim != "energy"
        self._rungs = self._ladder.rungs if self.objective.aim == "accuracy" else self._ladder.held
        self._prober = Prober()
        self._current: str | None = None
        self._on_video: set[str] = set()
        """The targets whose last frames went as those of a video."""
        self._size: Size | None = None

    def estimates(self, size: Size, *, now: float, local_queue: int = 0) -> dict[str, Estimate]:
        """What each usable target would take for a frame, were nothing overdue.

        Args:
            size: the frame's, before it is scaled.
            now: the time of the question.
            local_queue: frames that the device has begun on, or will before this one.
        """
        options = self._options(self._rungs, size, now, local_queue=local_queue)
        return {target: option.time for target, option in self._soonest_of_each(options).items()}

    def decide(self, size: Size, *, now: float, local_queue: int = 0, age_ms: float = 0.0) -> Decision | None:
        """Choose for a frame; None when nothing can answer it.

        A device without a model of its own tries a target that is away or unknown rather than none.

        Args:
            size: the frame's, before it is scaled.
            now: the time of the question.
            local_queue: frames that the device has begun on, or will before this one.
            age_ms: how much of the time to the deadline the frame has spent already.
        """
        deadline_ms = self.objective.deadline_ms
        left_ms = None if deadline_ms is None else max(_LEAST_LEFT_MS, deadline_ms - age_ms)
        self._size = size
        self._prober.save(self._ladder.frame_bytes(size))
        enough_ms = self.objective.deadline_ms or 0.0 if self.objective.aim == "accuracy" else 0.0
        options = self._options(self._rungs, size, now, local_queue=local_queue, enough_ms=enough_ms)
        if not options:
            return None
        fastest = self._soonest_of_each(options)
        chosen, hedged = self._choose(options, fastest, left_ms, now)
        self._current = chosen.target
        if chosen.rung and chosen.rung.encoding.video:
            self._on_video.add(chosen.target)
        else:
            self._on_video.discard(chosen.target)
        for target, remote in self._remotes.items():
            if target != chosen.target:
                remote.rest(now)
            if target not in self._on_video:
                remote.video.rest(now)
        others_ms = [option.ms for target, option in fastest.items() if target != chosen.target]
        give_up_ms = max(_GIVE_UP_MS, 2 * min(others_ms)) if others_ms else _GIVE_UP_ALONE_MS
        if hedged.patience_ms < inf:
            give_up_ms = max(give_up_ms, hedged.patience_ms)
        return _decision(chosen, hedged, give_up_ms, fastest)

    def video_wanted(self, now: float) -> str | None:
        """The target that frames would go to as a video, by the same prediction, were there a connection for one."""
        if self._size is None:
            return None
        options = self._options(self._rungs, self._size, now, any_video=True)
        if not options:
            return None
        chosen, _ = self._choose(options, self._soonest_of_each(options), self.objective.deadline_ms, now)
        return chosen.target if chosen.rung and chosen.rung.encoding.video else None

    def second_opinion(self, size: Size, *, now: float, left_ms: float) -> Decision | None:
        """The most accurate remote way to answer a frame that the device has answered already, if there is time.

        Args:
            size: the frame's, before it is scaled.
            now: the time of the question.
            left_ms: until the frame's deadline.

        Returns:
            None where no target is more accurate than the device and sure to answer within `left_ms`.
        """
        better = [
            option
            for option in self._options(self._ladder.rungs, size, now)
            if option.rung and option.accuracy > self._profile.local_accuracy and option.in_time(left_ms) >= SURE
        ]
        if not better:
            return None
        best = max(better, key=lambda option: (option.accuracy, -option.ms))
        return _decision(best, Hedge(best.ms, inf), left_ms, {best.target: best})

    def probes(self, now: float) -> list[Probe]:
        """The probes to send now; each call schedules the next ones, so send what it returns."""
        return self._prober.due(self._remotes, now)

    def _choose(
        self, options: Sequence[Option], fastest: Mapping[str, Option], left_ms: float | None, now: float
    ) -> tuple[Option, Hedge]:
        local_ms = fastest[LOCAL].ms if LOCAL in fastest and self._may_hedge else None
        silent = {target for target in fastest if self._is_silent(target, local_ms, left_ms, now)}
        asked = [option for option in options if option.target not in silent] if silent else options
        chosen = self._serve(asked, local_ms, left_ms)
        if chosen is None:
            return self._soonest(asked, local_ms, left_ms)
        return chosen, self._hedged(chosen, local_ms, left_ms)

    def _serve(self, options: Sequence[Option], local_ms: float | None, left_ms: float | None) -> Option | None:
        """The option that the objective wants; None where that is the soonest, or no other can meet the deadline."""
        aim = self.objective.aim
        if aim == "latency" or left_ms is None:
            return None
        rescued = local_ms is not None and local_ms <= left_ms
        if aim == "accuracy":
            rescue = self._profile.local_accuracy if rescued else 0.0
            return most_accurate(options, left_ms, rescue, self.objective.accuracy_loss)
        return cheapest(options, left_ms, rescued)

    def _soonest(
        self, options: Sequence[Option], local_ms: float | None, left_ms: float | None
    ) -> tuple[Option, Hedge]:
        fastest = self._soonest_of_each(options)
        hedges = {target: self._hedged(option, local_ms, left_ms) for target, option in fastest.items()}
        costs = {
            target: Estimate(hedges[target].cost_ms, 0.0 if self._is_race(hedges[target]) else option.spread_ms)
            for target, option in fastest.items()
        }
        target = choose(costs, self._current)
        return fastest[target], hedges[target]

    def _soonest_of_each(self, options: Sequence[Option]) -> dict[str, Option]:
        """Each target's option that takes the least time."""
        best, videos = _soonest_rungs(options)
        for target, video in videos.items():
            best[target] = choose_way(best.get(target), video, is_video=target in self._on_video) or video
        return best

    def _is_race(self, hedged: Hedge) -> bool:
        """Whether the device, which is in use, goes on as if nothing had been sent: then there is nothing to lose."""
        return self._current == LOCAL and hedged.patience_ms == 0

    def _hedged(self, option: Option, local_ms: float | None, left_ms: float | None) -> Hedge:
        """When the device should begin too: where that pays, or in time for the deadline."""
        if option.rung is None:
            return Hedge(option.ms, inf)
        hedged = hedge(option.time, option.late_ms, local_ms)
        if local_ms is None or left_ms is None:
            return hedged
        latest_ms = left_ms - local_ms
        doubtful = 1 - option.in_time(left_ms) > PRICE
        if latest_ms < 0 or self.objective.aim == "latency":
            return hedged
        # Not before it must: the remote answer is the better one, or has been paid for.
        patience_ms = latest_ms if doubtful else max(latest_ms, hedged.patience_ms)
        return hedged._replace(patience_ms=patience_ms)

    def _is_silent(self, target: str, local_ms: float | None, left_ms: float | None, now: float) -> bool:
        if target == LOCAL or local_ms is None or local_ms > (left_ms or inf):
            return False  # the device can't help: better a small chance than none
        outstanding = self._remotes[target].outstanding
        if outstanding.silent_ms(now) <= _SILENT_RATIO * local_ms:
            return False
        return outstanding.larger_than(PROBE_BYTES)


def _decision(option: Option, hedged: Hedge, give_up_ms: float, fastest: Mapping[str, Option]) -> Decision:
    return Decision(
        option.target,
        hedged.cost_ms,
        hedged.patience_ms,
        give_up_ms,
        option.rung.encoding if option.rung else None,
        option.p99_ms,
        {target: one.ms for target, one in fastest.items()},
    )


def _soonest_rungs(options: Sequence[Option]) -> tuple[dict[str, Option], dict[str, Option]]:
    """Each target's option that takes the least time, frame by frame; and its video."""
    best: dict[str, Option] = {}
    videos: dict[str, Option] = {}
    for option in options:
        if option.rung is not None and option.rung.encoding.video:
            videos[option.target] = option
            continue
        soonest = best.get(option.target)
        if soonest is None or option.ms < soonest.ms:
            best[option.target] = option
    return best, videos
