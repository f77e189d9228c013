"""Faults of the network between a device and its edge, on real hosts' sockets: no frame is lost, and none is late."""

from collections.abc import Iterator

import pytest

from benchmarks import clock
from benchmarks.failover import FAULTS, Rig
from tests.conftest import need

BLACKHOLE_S, OTHERS_S = 5.0, 2.0
"""TCP's waits have become long after five seconds of a dead link; what other faults do shows sooner."""


@pytest.fixture(scope="module")
def rig(netns: None) -> Iterator[Rig]:
    """One device that lives through all of it."""
    reason = clock.unavailable()
    need("cc", not reason, reason)
    with Rig() as rig:
        yield rig


@pytest.mark.parametrize("name", FAULTS)
def test_every_frame_is_answered_in_time_and_the_edge_is_used_again_soon(rig: Rig, name: str) -> None:
    figures = rig.suffer(FAULTS[name], BLACKHOLE_S if name == "link blackholed" else OTHERS_S)
    assert figures.frames > 0
    assert figures.unanswered == 0
    assert figures.bearable, figures
