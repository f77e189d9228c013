"""Frames out of packets that are lost, late, doubled and out of order."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from astraea.edge_server.webrtc.assembly import Assembler, EncodedFrame, begins_keyframe

KEY, DELTA = b"\x00\x00\x00\x01\x67", b"\x00\x00\x00\x01\x41"


@dataclass
class Packet:
    sequence_number: int
    timestamp: int
    marker: int
    payload: bytes


def packets(
    frames: int, each: int = 3, *, start: int = 0, keys: tuple[int, ...] = (0,), marker: bool = True
) -> list[Packet]:
    """Frames of so many packets each; those in `keys` are keyframes."""
    made = []
    for frame in range(frames):
        for part in range(each):
            head = (KEY if frame in keys else DELTA) if part == 0 else b""
            made.append(
                Packet(
                    (start + frame * each + part) % 65536,
                    frame * 3000 % 2**32,
                    int(marker and part == each - 1),
                    head + b"%d.%d;" % (frame, part),
                )
            )
    return made


def feed(
    assembler: Assembler, sent: list[Packet], *, interval_s: float = 0.0, start_s: float = 0.0
) -> list[EncodedFrame]:
    found = []
    for number, packet in enumerate(sent):
        found += assembler.add(packet, packet.payload, "H264", start_s + number * interval_s)
    return found


def numbers(frames: list[EncodedFrame]) -> list[int]:
    return [frame.rtp_timestamp // 3000 for frame in frames]


@given(st.integers(0, 65535), st.integers(1, 9), st.integers(1, 12))
def test_a_frame_comes_with_its_last_packet_even_where_numbers_wrap(start: int, each: int, count: int) -> None:
    assembler = Assembler()
    for number, packet in enumerate(packets(count, each, start=start)):
        complete = assembler.add(packet, packet.payload, "H264", 0.0)
        assert len(complete) == ((number + 1) % each == 0)


@given(st.randoms(use_true_random=False), st.integers(0, 65535))
def test_disorder_and_repetition_change_nothing(random: object, start: int) -> None:
    sent = packets(12, 3, start=start)
    head, rest = sent[:1], sent[1:] * 2
    for at in range(0, len(rest) - 6, 6):
        part = rest[at : at + 6]
        random.shuffle(part)  # type: ignore[attr-defined] # hypothesis gives a random.Random
        rest[at : at + 6] = part
    expected = feed(Assembler(), sent)
    assert [frame.data for frame in feed(Assembler(), head + rest)] == [frame.data for frame in expected]
    assert numbers(expected) == list(range(12))


def test_a_sender_without_markers_ends_a_frame_with_the_next() -> None:
    assert numbers(feed(Assembler(), packets(4, marker=False))) == [0, 1, 2]


def test_nothing_is_decoded_before_a_keyframe_which_is_asked_for() -> None:
    assembler = Assembler()
    assert numbers(feed(assembler, packets(6, keys=(4,)))) == [4, 5]
    assert assembler.keyframe_wanted


def test_a_lost_packet_is_waited_for() -> None:
    sent = packets(4)
    lost = sent.pop(4)
    assembler = Assembler()
    assert numbers(feed(assembler, sent)) == [0]
    assert not assembler.keyframe_wanted
    assert numbers(feed(assembler, [lost])) == [1, 2, 3]


@given(st.sets(st.integers(1, 119), min_size=1, max_size=40))
def test_whatever_is_lost_no_frame_is_given_that_misses_one_before_it(lost: set[int]) -> None:
    """The frames given are unbroken runs that begin with a keyframe."""
    keys = (0, 10, 20, 30)
    sent = [packet for number, packet in enumerate(packets(40, keys=keys)) if number not in lost]
    assembler = Assembler()
    found = numbers(feed(assembler, sent, interval_s=0.02))
    assert found == sorted(set(found))
    for number in found:
        assert number in keys or number - 1 in found
        assert not {number * 3, number * 3 + 1, number * 3 + 2} & lost


def test_a_keyframe_is_asked_for_again_while_none_comes() -> None:
    assembler = Assembler()
    asked = 0
    for number, packet in enumerate(packets(60, 1, keys=())):
        assembler.add(packet, packet.payload, "H264", number * 0.05)
        asked += assembler.keyframe_wanted
        assembler.keyframe_wanted = False
    assert asked == 6


def test_a_sender_that_jumps_ahead_begins_anew() -> None:
    assembler = Assembler()
    assert numbers(feed(assembler, packets(2))) == [0, 1]
    assert numbers(feed(assembler, packets(2, start=20_000))) == [0, 1]


def test_what_waits_is_bounded() -> None:
    sent = packets(2000, 2)
    del sent[3]
    assembler = Assembler()
    feed(assembler, sent)
    assert len(assembler._parts) <= 1024


def test_keyframes_of_vp8_are_told_by_their_header() -> None:
    first = Packet(0, 0, 0, b"\x10\x00")
    assert begins_keyframe(first, b"\x50", "VP8")
    assert not begins_keyframe(first, b"\x51", "VP8")
    assert not begins_keyframe(replace(first, payload=b"\x00\x00"), b"\x50", "VP8")
