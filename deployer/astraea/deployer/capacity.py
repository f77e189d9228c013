"""What nodes have room for, beside what other services take of them. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from astraea.protocol import Resources

from .desired import Release
from .engines import InstanceStatus
from .errors import PlacementError
from .nodes import Node

Taken = Mapping[str, Resources]
"""What instances take of nodes, by the nodes' names."""

_ROUNDING = 1e-9
"""0.3 - 0.1 is less than 0.2."""


def taken_by_others(instances: Iterable[InstanceStatus], service: str) -> Taken:
    """What the instances of other services take of each node."""
    taken: dict[str, Resources] = {}
    for plan in (instance.plan for instance in instances):
        if plan.service != service:
            taken[plan.node.name] = _sum(taken.get(plan.node.name), plan.resources)
    return taken


def _sum(one: Resources | None, other: Resources, times: int = 1) -> Resources:
    cpu, memory, gpu = (one.cpu, one.memory, one.gpu) if one else (0.0, 0, 0)
    return Resources.model_construct(
        cpu=cpu + times * other.cpu, memory=memory + times * other.memory, gpu=gpu + times * other.gpu
    )


def shortage(needs: Resources, node: Node, taken: Resources | None) -> str | None:
    """What a node lacks for one instance; None if it has room.

    Args:
        needs: what the instance asks for.
        node: says what it has.
        taken: of that, by what runs there; None for nothing.
    """
    has, cpu, memory, gpu = node.capacity, *((taken.cpu, taken.memory, taken.gpu) if taken else (0.0, 0, 0))
    if has.cpu is not None and has.cpu - cpu < needs.cpu - _ROUNDING:
        return f"{max(has.cpu - cpu, 0):g} of its {has.cpu:g} cores are free, {needs.cpu:g} are asked for"
    if has.memory is not None and has.memory - memory < needs.memory:
        free, whole, asked = (round(size / 2**20) for size in (max(has.memory - memory, 0), has.memory, needs.memory))
        return f"{free} MiB of its {whole} are free, {asked} are asked for"
    if needs.gpu and not has.gpu:
        return "it is not known to have a GPU"
    if has.gpu - gpu < needs.gpu:
        return f"{max(has.gpu - gpu, 0)} of its {has.gpu} GPUs are free, {needs.gpu} are asked for"
    return None


def _room(needs: Resources, node: Node, taken: Resources | None) -> int | None:
    """For how many instances a node has room; None if nothing bounds them."""
    has, cpu, memory, gpu = node.capacity, *((taken.cpu, taken.memory, taken.gpu) if taken else (0.0, 0, 0))
    bounds = [
        int((has.cpu - cpu) / needs.cpu + _ROUNDING) if has.cpu is not None else None,
        (has.memory - memory) // needs.memory if has.memory is not None else None,
        (has.gpu - gpu) // needs.gpu if needs.gpu else None,
    ]
    return min((bound for bound in bounds if bound is not None), default=None)


def with_room(release: Release, instances: Sequence[InstanceStatus]) -> Release:
    """The release, with what its nodes have room for: one instance at least, since they were chosen, and what runs.

    Args:
        release: what is to run.
        instances: what runs, of all services.
    """
    spec = release.image.spec
    taken = taken_by_others(instances, spec.name)
    running = Counter(one.plan.node.name for one in instances if one.plan.revision == release.image.revision)
    found = {node.name: _room(spec.resources, node, taken.get(node.name)) for node in release.nodes}
    room = {name: max(count, running[name], 1) for name, count in found.items() if count is not None}
    return release.model_copy(update={"room": room})


def lack(release: Release, instances: Iterable[InstanceStatus]) -> PlacementError | None:
    """Why a release's instances don't all fit on its nodes; None if they do.

    Args:
        release: what is to run, as `with_room` gives it.
        instances: what runs, of all services.
    """
    most, spec = release.most, release.image.spec
    if most is None or release.size <= most:
        return None
    taken = taken_by_others(instances, spec.name)
    full = {node: _sum(taken.get(node.name), spec.resources, release.room[node.name]) for node in release.nodes}
    reasons = (f"{node.name}: {shortage(spec.resources, node, all_of_it)}" for node, all_of_it in full.items())
    return PlacementError(
        f"{release.size} instances of {spec.name} don't fit, but {most} do ({'; '.join(reasons)})",
        hint=f"ask for fewer (`astraea scale {spec.name} {most}`), or deploy it on more nodes",
    )
