"""Whether frames go as pictures or as a video: by the same prediction as where they go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.device.decision import LOCAL, Objective, Policy
from astraea.device.encoding import Encoding, Size
from astraea.device.errors import DeviceError
from astraea.device.profile import Profile

FRAME = Size(640, 480)
JPEG_BYTES, VIDEO_BYTES = 40_000, 8_000
SERVER_MS, ENCODE_MS, VIDEO_ENCODE_MS = 12.0, 2.0, 6.0
PICTURE, VIDEO = Encoding(), Encoding(video=True)
rtts_ms = st.floats(2, 200)
rates_mbps = st.floats(0.2, 500)
extras_ms = st.floats(0, 60)


class World:
    """An edge behind a link that does not change, and how long its answers take."""

    def __init__(self, rtt_ms: float, mbps: float, extra_ms: float) -> None:
        self.rtt_ms, self.mbps, self.extra_ms = rtt_ms, mbps, extra_ms
        self.now = 0.0

    def network_ms(self, size_bytes: int) -> float:
        return self.rtt_ms + size_bytes * 8 / (self.mbps * 1000)

    def takes_ms(self, encoding: Encoding) -> float:
        if encoding.video:
            return VIDEO_ENCODE_MS + self.network_ms(VIDEO_BYTES) + self.extra_ms + SERVER_MS
        return ENCODE_MS + self.network_ms(JPEG_BYTES) + SERVER_MS

    def answer(self, policy: Policy, encoding: Encoding) -> None:
        size_bytes = VIDEO_BYTES if encoding.video else JPEG_BYTES
        network_ms = self.network_ms(size_bytes) + (self.extra_ms if encoding.video else 0.0)
        policy.observe_encoding(FRAME, encoding, size_bytes, VIDEO_ENCODE_MS if encoding.video else ENCODE_MS)
        policy.observe_sent("edge", size_bytes=size_bytes, now=self.now, encoding=encoding)
        sent_at, self.now = self.now, self.now + (network_ms + SERVER_MS) / 1e3
        policy.observe_answer(
            "edge",
            size_bytes=size_bytes,
            network_ms=network_ms,
            server_ms=SERVER_MS,
            sent_at=sent_at,
            now=self.now,
            encoding=encoding,
        )
        self.now += 0.05

    def probe(self, policy: Policy) -> None:
        for size_bytes in (256, 2048, 2048):
            policy.observe_sent("edge", size_bytes=size_bytes, now=self.now)
            policy.observe_probe(
                "edge", size_bytes=size_bytes, network_ms=self.network_ms(size_bytes), sent_at=self.now, now=self.now
            )
            self.now += 0.05

    def begin(self, policy: Policy, *, video: bool = True) -> None:
        """Probes, some pictures and some frames of a video: all is known."""
        policy.offer(["edge"])
        self.probe(policy)
        for encoding in (PICTURE, VIDEO) if video else (PICTURE,):
            for _ in range(10):
                self.answer(policy, encoding)
        policy.offer_video("edge", ready=video)


def decided(policy: Policy, world: World) -> Encoding:
    decision = policy.decide(FRAME, now=world.now)
    assert decision is not None
    assert decision.encoding is not None
    return decision.encoding


@given(rtts_ms, rates_mbps, extras_ms)
def test_frames_go_the_way_that_takes_less_time(rtt_ms: float, mbps: float, extra_ms: float) -> None:
    world = World(rtt_ms, mbps, extra_ms)
    policy = Policy(local=False)
    world.begin(policy)
    chosen = decided(policy, world)
    other = PICTURE if chosen.video else VIDEO
    assert world.takes_ms(chosen) < 1.5 * world.takes_ms(other)


@given(rtts_ms, rates_mbps, extras_ms)
def test_what_is_predicted_for_a_video_is_what_it_takes(rtt_ms: float, mbps: float, extra_ms: float) -> None:
    world = World(rtt_ms, mbps, extra_ms)
    policy = Policy(local=False)
    world.begin(policy)
    decision = policy.decide(FRAME, now=world.now)
    assert decision is not None
    assert decision.encoding is not None
    assert decision.predicted_ms == pytest.approx(world.takes_ms(decision.encoding), rel=0.2)


@given(rtts_ms, st.floats(0.2, 1.0))
def test_a_narrow_link_wants_a_video_and_gets_it_when_there_is_a_connection(rtt_ms: float, mbps: float) -> None:
    world = World(rtt_ms, mbps, 15.0)
    policy = Policy(local=False)
    world.begin(policy, video=False)
    assert decided(policy, world) == PICTURE
    assert policy.video_wanted(world.now) == "edge"
    policy.offer_video("edge", ready=True)
    assert decided(policy, world) == VIDEO
    policy.offer_video("edge", ready=False)
    assert decided(policy, world) == PICTURE


@given(rtts_ms, st.floats(50, 500))
def test_a_wide_link_wants_none(rtt_ms: float, mbps: float) -> None:
    world = World(rtt_ms, mbps, 15.0)
    policy = Policy(local=False)
    world.begin(policy, video=False)
    decided(policy, world)
    assert policy.video_wanted(world.now) is None


def test_a_video_is_left_when_the_link_has_become_wide_and_taken_again_when_it_narrows() -> None:
    world = World(30.0, 1.0, 15.0)
    policy = Policy(local=False)
    world.begin(policy)
    ways = []
    for mbps in (1.0, 100.0, 1.0):
        world.mbps = mbps
        for _ in range(40):
            world.answer(policy, decided(policy, world))
        ways.append(decided(policy, world))
    assert ways == [VIDEO, PICTURE, VIDEO]


def test_a_video_makes_an_edge_the_sooner_one_that_pictures_would_not() -> None:
    world = World(30.0, 0.5, 15.0)  # 640 ms for a JPEG to pass, 128 ms for a frame of a video
    policy = Policy(local=True)
    policy.observe_local(400.0)
    world.begin(policy, video=False)
    decision = policy.decide(FRAME, now=world.now)
    assert decision is not None
    assert decision.target == LOCAL
    assert policy.video_wanted(world.now) == "edge"
    policy.offer_video("edge", ready=True)
    assert decided(policy, world) == VIDEO


@pytest.mark.parametrize("loss", [0.011, 0.5])
def test_a_video_below_the_floor_of_accuracy_is_not_wanted(loss: float) -> None:
    world = World(30.0, 0.5, 0.0)
    policy = Policy(local=False, profile=Profile(video_loss=loss))
    world.begin(policy)
    assert decided(policy, world) == PICTURE
    assert policy.video_wanted(world.now) is None


def test_money_for_bytes_is_saved_by_a_video() -> None:
    world = World(30.0, 100.0, 15.0)
    profile = Profile.model_validate({"price": {"per_gb": 5.0}})
    policy = Policy(local=False, objective=Objective("cost", deadline_ms=500.0), profile=profile)
    world.begin(policy)
    assert decided(policy, world).video


def test_what_held_up_a_video_once_does_not_rule_it_out() -> None:
    world = World(30.0, 1.0, 15.0)
    policy = Policy(local=False)
    world.begin(policy)
    world.extra_ms = 2000.0
    for _ in range(10):
        world.answer(policy, VIDEO)
    world.extra_ms = 15.0
    for _ in range(60):
        world.answer(policy, decided(policy, world))
    assert decided(policy, world) == VIDEO


def test_the_first_frame_decides_nothing_about_a_video() -> None:
    assert Policy(local=False).video_wanted(0.0) is None


def test_nobody_pays_for_what_a_profile_can_not_say() -> None:
    with pytest.raises((DeviceError, ValueError)):
        Profile(video_loss=-0.1)
