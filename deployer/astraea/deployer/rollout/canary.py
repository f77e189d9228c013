"""Moves devices over to a new revision, more and more of them, as long as nothing speaks against it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import httpx

from ..desired import Rollout
from ..engines import Engine
from ..errors import BrokerError, RolloutAborted
from ..startup import check_none_fails
from .judging import Sample, judge
from .plan import weights
from .sampling import Feedback, Sampler
from .sharing import Sharing

LOOK_S = 0.5
"""How often a canary is to be looked at."""

Decision = Literal["promote", "abort"]
"""What an operator may decide for a canary."""


class Judgement(NamedTuple):
    """How a step goes."""

    percent: float
    left_s: float
    canary: Sample
    stable: Sample


class Canary:
    """A rollout under way, which goes on as long as somebody looks.

    Operators decide for themselves by setting the weights at the broker, as `astraea promote`, `astraea abort` and the
    dashboard do. A step that was interrupted is watched anew from its beginning.

    Args:
        rollout: from which step on.
        stable: the revision that served before, or several.
        engine: runs both.
        client: asks the instances and the broker.
        save: is given the rollout whenever it comes to another step.
    """

    def __init__(
        self,
        rollout: Rollout,
        stable: Sequence[str],
        engine: Engine,
        client: httpx.Client,
        save: Callable[[Rollout], None] = lambda _rollout: None,
    ) -> None:
        image = rollout.release.image
        self.revision, self.service = image.revision, image.spec.name
        self._rollout, self._stable = rollout, stable
        self._engine, self._client, self._save = engine, client, save
        self._ids = frozenset(plan.id for plan in rollout.release.plans())
        self._sharing = Sharing(client, rollout.release.broker, self.service)
        self._feedback = Feedback(client, rollout.release.broker, self.service)
        self._step: _Step | None = None

    def look(self, now: float) -> Judgement | None:
        """See how the step goes, and go on to the next when it is time; None once all devices are over.

        Args:
            now: monotonic seconds.

        Raises:
            RolloutAborted: the new revision does worse, or an operator took it back.
            DeployError: one of its instances fails by itself.
            BrokerError: the broker can't be told of a new share.
        """
        plan, percents = self._rollout.plan, self._rollout.plan.percents
        percent = percents[self._rollout.step]
        decided = self._decision(percent)
        if decided == "abort":
            raise RolloutAborted(f"an operator took the new revision back at {percent:g} %")
        if decided == "promote":
            return None
        if self._step is None:
            self._step = self._begin(now)
        check_none_fails(self._engine, [one for one in self._engine.instances(self.service) if one.id in self._ids])
        judgement = Judgement(
            percent,
            self._step.end_s - now,
            self._feedback.add_to(self._step.canary.sample(), [self.revision]),
            self._feedback.add_to(self._step.stable.sample(), self._stable),
        )
        if (reason := judge(judgement.canary, judgement.stable, plan.max_disagreement)) is not None:
            raise RolloutAborted(
                f"the new revision was taken back at {percent:g} %: {reason}",
                hint="the stable revision serves all devices again; `astraea logs` and /metrics tell more",
            )
        if now < self._step.end_s:
            return judgement
        if self._rollout.step + 1 == len(percents):
            return None
        self._rollout = self._rollout.model_copy(update={"step": self._rollout.step + 1})
        self._save(self._rollout)
        self._step = None
        return judgement

    def take_back(self) -> None:
        """Give no device to the new revision any more.

        Raises:
            BrokerError: the broker can't be told.
        """
        self._sharing.share(self._weights(0))

    def _decision(self, percent: float) -> Decision | None:
        try:
            told = self._sharing.weights()
            if not told:  # a broker that has lost its store shares out anew
                self._share(percent)
                return None
        except BrokerError:  # it will be back; the instances can be watched without it
            return None
        return decision(told, None if self._step is None else self._weights(percent), self.revision)

    def _begin(self, now: float) -> "_Step":
        self._share(self._rollout.plan.percents[self._rollout.step])
        instances = self._engine.instances(self.service)
        return _Step(
            now + self._rollout.plan.every_s,
            Sampler(self._client, [one for one in instances if one.id in self._ids]),
            Sampler(self._client, [one for one in instances if one.plan.revision in self._stable]),
        )

    def _share(self, percent: float) -> None:
        self._sharing.share(self._weights(percent), self._rollout.plan.shadow_share)

    def _weights(self, percent: float) -> dict[str, float]:
        return weights(self.revision, percent, self._stable)


class _Step(NamedTuple):
    """What is watched, and until when. At 100 percent the stable revision has nothing to compare with any more."""

    end_s: float
    canary: Sampler
    stable: Sampler


def decision(told: Mapping[str, float], meant: Mapping[str, float] | None, revision: str) -> Decision | None:
    """What an operator has decided for a canary.

    The command leaves only one side named. The dashboard leaves both, which may be what a canary has set itself.

    Args:
        told: the broker's weights.
        meant: what the canary has set; None before it has.
        revision: the canary's.
    """
    if revision not in told:
        return "abort"
    if len(told) == 1:
        return "promote"
    if meant is None or dict(told) == dict(meant):
        return None
    share = told[revision]
    if share <= 0:
        return "abort"
    return "promote" if share >= sum(told.values()) else None
