"""The messages of a stream survive the way, and nothing else gets through."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.protocol import StreamError
from astraea.protocol.stream import (
    MAX_CREDITS,
    MAX_DEADLINE_MS,
    MAX_ID,
    EchoMessage,
    FrameMessage,
    Hello,
    ProbeMessage,
    ResultMessage,
    read_from_device,
    read_from_edge,
    read_hello,
)

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ids = st.integers(1, MAX_ID)
traces = st.sampled_from([b"", TRACE])
ms = st.floats(0, 1e9, width=32)
frames = st.builds(
    FrameMessage,
    ids,
    st.binary(max_size=300),
    st.integers(0, MAX_DEADLINE_MS),
    st.sampled_from([b"", TRACE]),
    st.booleans(),
)
results = st.builds(
    ResultMessage,
    ids,
    st.integers(200, 599),
    st.integers(0, MAX_CREDITS),
    st.tuples(ms, ms, ms, ms, ms),
    st.binary(max_size=300),
)


@given(st.one_of(frames, st.builds(ProbeMessage, st.integers(0, MAX_ID), st.binary(max_size=300))))
def test_what_a_device_sends_arrives(message: FrameMessage | ProbeMessage) -> None:
    assert read_from_device(message.encode()) == message


@given(st.one_of(results, st.builds(EchoMessage, st.integers(0, MAX_ID))))
def test_what_an_edge_sends_arrives(message: ResultMessage | EchoMessage) -> None:
    assert read_from_edge(message.encode()) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error_and_a_message_is_written_only_one_way(data: bytes) -> None:
    for read in (read_from_device, read_from_edge):
        try:
            message = read(data)
        except StreamError:
            continue
        if not isinstance(message, ProbeMessage | EchoMessage):  # their unused fields are free, for what may come
            assert message.encode() == data


def test_the_bytes_are_those_of_the_documentation() -> None:
    frame = FrameMessage(7, b"jpeg", 250, TRACE).encode()
    assert FrameMessage(7, b"x", last_credit=True).encode() == b"\x01\x02" + bytes(5) + b"\x07" + bytes(4) + b"x"
    assert frame == b"\x01\x01\x00\x00" + b"\x00\x00\x00\x07" + b"\x00\x00\x00\xfa" + TRACE + b"jpeg"
    result = ResultMessage(7, 200, 2, (1.0, 0.0, 2.0, 0.5, 3.5), b"{}").encode()
    assert result == b"\x03\x02\x00\xc8" + b"\x00\x00\x00\x07" + struct.pack("!5f", 1, 0, 2, 0.5, 3.5) + b"{}"
    assert ProbeMessage(1, b"..").encode() == b"\x02\x00\x00\x00\x00\x00\x00\x01.."
    assert EchoMessage(1).encode() == b"\x04\x00\x00\x00\x00\x00\x00\x01"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "too short"),
        (b"\x03" + bytes(11), "kind 3"),
        (b"\x01\x04\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", "flags 0x04"),
        (b"\x01\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00", "mean nothing"),
        (b"\x01\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00" + TRACE[:-1], "breaks off"),
        (b"\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00", "breaks off"),
        (b"\x01" + bytes(11), "id 0"),
    ],
)
def test_a_device_s_message_that_is_none_is_refused_with_the_reason(message: bytes, reason: str) -> None:
    with pytest.raises(StreamError, match=reason):
        read_from_device(message)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x01" + bytes(30), "kind 1"),
        (b"\x03" + bytes(26), "breaks off"),
        (ResultMessage(1, 200, 0, (0, 0, 0, 0, float("nan")), b"").encode(), "took"),
        (ResultMessage(1, 200, 0, (0, -1, 0, 0, 0), b"").encode(), "took"),
    ],
)
def test_an_edge_s_message_that_is_none_is_refused_with_the_reason(message: bytes, reason: str) -> None:
    with pytest.raises(StreamError, match=reason):
        read_from_edge(message)


def test_a_hello_survives_the_way_and_what_is_unknown_in_it_is_passed_over() -> None:
    hello = Hello(session="s", instance="i", revision="1.0.0", credits=2, max_bytes=1000, last_id=5, pending=(4, 5))
    assert read_hello(hello.encode()) == hello
    assert read_hello(hello.encode()[:-1] + ',"news":1}') == hello


@pytest.mark.parametrize("text", ["", "[]", '{"session":"s"}', "\x00"])
def test_what_is_no_hello_is_refused(text: str) -> None:
    with pytest.raises(StreamError, match="no hello"):
        read_hello(text)
