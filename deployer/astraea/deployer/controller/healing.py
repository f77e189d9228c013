"""What has to be started or ended so that what runs is what is to run. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from ..capacity import with_room
from ..desired import Desired, Release
from ..engines import InstancePlan, InstanceStatus
from ..images import ServiceImage

NODE_GRACE_S = 30.0
"""A node on which nothing runs for so long, whatever is tried, is lost: long enough for one that starts anew."""


class Absences:
    """Which nodes are lost: those on which nothing of what should has run for a while."""

    def __init__(self, grace_s: float = NODE_GRACE_S) -> None:
        self._grace_s = grace_s
        self._since: dict[str, float] = {}

    def lost(self, idle: Collection[str], now: float) -> frozenset[str]:
        """The lost among the nodes that run nothing at this moment.

        Args:
            idle: names of nodes on which nothing runs of what should.
            now: monotonic seconds.
        """
        self._since = {name: self._since.get(name, now) for name in idle}
        return frozenset(name for name, since in self._since.items() if now - since >= self._grace_s)


class Wanted(NamedTuple):
    """An instance that is to run, and what it is started from."""

    plan: InstancePlan
    image: ServiceImage


def idle_nodes(desired: Desired, instances: Iterable[InstanceStatus]) -> frozenset[str]:
    """The nodes on which something should run, and nothing does."""
    should = {plan.node.name for plan in desired.release.plans()}
    return frozenset(should - {one.plan.node.name for one in instances if one.state != "down"})


def spread(desired: Desired, lost: Collection[str], instances: Sequence[InstanceStatus]) -> Release | None:
    """The release on what nodes remain, where some are lost: as many instances as those have room for.

    Args:
        desired: what is to run.
        lost: names of nodes.
        instances: what runs, of all services.
    """
    nodes = tuple(node for node in desired.release.nodes if node.name not in lost)
    if not nodes or len(nodes) == len(desired.release.nodes):
        return None
    update = {"nodes": nodes, "count": desired.release.size}
    return with_room(desired.release.model_copy(update=update), instances)


def wanted(desired: Desired, standing_in: Release | None = None) -> list[Wanted]:
    """All that is to run: also on lost nodes, if they come back, and then what stands in for it elsewhere."""
    candidate = None if desired.rollout is None else desired.rollout.release
    releases = [release for release in (desired.release, candidate, standing_in) if release is not None]
    found = {plan.id: Wanted(plan, release.image) for release in releases for plan in release.plans()}
    return list(found.values())


def to_start(wants: Sequence[Wanted], instances: Iterable[InstanceStatus]) -> list[Wanted]:
    """Those that don't run, or that nothing would start again; an engine starts again by itself what only ends."""
    well = {one.id for one in instances if one.state not in ("down", "unsupervised")}
    return [want for want in wants if want.plan.id not in well]


def to_stop(
    wants: Sequence[Wanted], instances: Iterable[InstanceStatus], ready: Collection[str], lost: Collection[str]
) -> list[str]:
    """Ids of those that should not run, once all that should are ready, but for those on lost nodes."""
    meant = {want.plan.id for want in wants}
    here = {want.plan.id for want in wants if want.plan.node.name not in lost}
    return [one.id for one in instances if one.id not in meant] if here <= set(ready) else []
