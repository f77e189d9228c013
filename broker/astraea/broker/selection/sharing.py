"""How a service's devices are shared out among its revisions: canaries, sticky for each device."""

import random
from collections.abc import Collection, Mapping
from hashlib import blake2b

from astraea.protocol.broker_api import Sharing


def promote(sharing: Sharing, revision: str) -> Sharing:
    """All devices to one revision; the others stay known, for a way back."""
    weights = dict.fromkeys(sharing.weights, 0.0) | {revision: 100.0}
    return sharing.model_copy(update={"weights": weights, "shadow_share": 0.0})


def abort(sharing: Sharing, revision: str, others: Collection[str]) -> Sharing:
    """No device to one revision: to the others as they were shared, or evenly if none had any.

    Args:
        sharing: as it is.
        revision: which to abort.
        others: revisions that have instances.
    """
    weights = {**sharing.weights, revision: 0.0}
    if not sum(weights.values()):
        weights |= dict.fromkeys(others, 100.0)
    if not sum(weights.values()):
        return sharing  # nothing else is there to take over
    return sharing.model_copy(update={"weights": weights, "shadow_share": 0.0})


def side(service: str, weights: Mapping[str, float], device: str | None) -> str:
    """The revision that a device belongs to; one drawn by chance for a device without a name."""
    point = random.random() if device is None else _point(service, device)  # noqa: S311 - shares out, hides nothing
    threshold = point * sum(weights.values())
    for revision, weight in weights.items():
        threshold -= weight
        if threshold < 0:
            return revision
    return next(revision for revision in reversed(list(weights)) if weights[revision] > 0)


def _point(service: str, device: str) -> float:
    """Where in [0, 1) a device falls: even over devices, unrelated between services, the same at every broker."""
    digest = blake2b(f"{service}/{device}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64
