"""However a connection's bytes are cut, its frames come out as they went in."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from astraea.edge_server.errors import BusyError
from astraea.edge_server.streams.frames import FrameReader, Received

MOST = 70_000
sizes = st.one_of(st.integers(0, 300), st.sampled_from([125, 126, 127, 65_535, 65_536, MOST]))
kinds = st.sampled_from(
    [(Opcode.BINARY, True)] * 3 + [(Opcode.BINARY, False), (Opcode.CONT, True), (Opcode.PING, True)]
)


def cut(reader: FrameReader, data: bytes, cuts: list[int]) -> Iterator[Received]:
    """Have it receive the data in such pieces, again and again, as an event loop would."""
    scratch = memoryview(bytearray(max(cuts)))
    at, turn = 0, 0
    while at < len(data):
        target = reader.room or scratch
        count = min(len(target), cuts[turn % len(cuts)], len(data) - at)
        in_room = bool(reader.room)
        target[:count] = data[at : at + count]
        if in_room:
            if received := reader.filled(count):
                yield received
        else:
            yield from reader.feed(scratch[:count])
        at, turn = at + count, turn + 1


@given(st.lists(st.tuples(kinds, sizes), max_size=5), st.lists(st.integers(1, 40_000), min_size=1, max_size=5))
def test_frames_come_out_as_they_went_in(frames: list[tuple[tuple[Opcode, bool], int]], cuts: list[int]) -> None:
    sent = [
        Frame(opcode, bytes(number + at & 0xFF for at in range(min(size, 125) if opcode is Opcode.PING else size)), fin)
        for number, ((opcode, fin), size) in enumerate(frames)
    ]
    raw = [frame.serialize(mask=True, extensions=[]) for frame in sent]
    held: list[int] = []
    reader = FrameReader(MOST, held.append)
    received = list(cut(reader, b"".join(raw), [max(piece, 200) for piece in cuts]))
    assert held == [len(frame.data) for frame in sent]
    assert [item.held_bytes for item in received] == held
    for frame, data, item in zip(sent, raw, received, strict=True):
        if frame.opcode is Opcode.BINARY and frame.fin:
            assert item.message is not None
            assert len(item.message) == len(frame.data)
            for begin in (0, 12, 67, *range(5)):
                assert item.message[begin:] == frame.data[begin:]
        else:
            assert (item.message, item.data) == (None, data)
    assert not reader.is_amid_frame


def test_of_a_frame_that_is_too_large_only_the_head_is_given() -> None:
    data = Frame(Opcode.BINARY, bytes(MOST + 1)).serialize(mask=True, extensions=[])
    held: list[int] = []
    [received] = FrameReader(MOST, held.append).feed(memoryview(data))
    assert (received.message, received.data, held) == (None, data[:14], [])


def test_where_no_room_is_left_nothing_is_received() -> None:
    def refuse(size_bytes: int) -> None:
        raise BusyError(f"no room for {size_bytes}")

    reader = FrameReader(MOST, refuse)
    data = Frame(Opcode.BINARY, bytes(1000)).serialize(mask=True, extensions=[])
    with pytest.raises(BusyError, match="no room for 1000"):
        list(reader.feed(memoryview(data)))
    assert reader.held_bytes == 0
