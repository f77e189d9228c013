"""Results between the thread that has them and the one that reads them: in order, none lost, none twice."""

import threading
from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.device.streaming.outbox import Outbox
from astraea.protocol import Result

ROOM = 3


def result(seq: int) -> Result:
    return Result(
        seq=seq, trace_id="0" * 32, tier="device", captured_at=0.0, predicted_ms=0.0, actual_ms=0.0, age_ms=0.0
    )


@given(st.lists(st.sampled_from(["put", "take", "give up"])))
def test_whatever_the_order_each_result_goes_to_the_next_who_still_asks(steps: list[str]) -> None:
    outbox, put, taken = Outbox(ROOM, lambda: None), 0, list[int]()
    asked: Future[Result | None] | None = None
    for step in steps:
        if step == "put":
            outbox.put(result(put))
            put += 1
        elif step == "give up" and asked:
            asked.cancel()
            asked = None
        elif asked is None:
            asked = outbox.take()
        if asked and asked.done():
            answer = asked.result()
            assert answer is not None
            taken.append(answer.seq)
            asked = None
    outbox.end()
    if asked:
        assert asked.result() is None
    while (rest := outbox.take().result()) is not None:
        taken.append(rest.seq)
    assert taken == list(range(put))
    assert outbox.has_room


@given(st.integers(0, 2 * ROOM))
def test_a_reader_that_makes_room_says_so(count: int) -> None:
    calls = list[bool]()
    outbox = Outbox(ROOM, lambda: calls.append(outbox.has_room))
    for seq in range(count):
        outbox.put(result(seq))
    assert outbox.has_room == (count < ROOM)
    for _ in range(count):
        outbox.take()
    assert calls == [False] * (count - ROOM) + [True] * (count >= ROOM)


def test_a_failure_comes_after_what_was_there_and_for_everyone_who_asks_then() -> None:
    outbox = Outbox(ROOM, lambda: None)
    outbox.put(result(0))
    outbox.end(ValueError("unplugged"))
    assert outbox.take().result() is not None
    for _ in range(2):
        with pytest.raises(ValueError, match="unplugged"):
            outbox.take().result()


def test_a_reader_on_another_thread_gets_all_in_order() -> None:
    outbox, read = Outbox(ROOM, lambda: None), list[int]()

    def reader() -> None:
        while (one := outbox.take().result(20)) is not None:
            read.append(one.seq)

    thread = threading.Thread(target=reader)
    thread.start()
    for seq in range(1000):
        outbox.put(result(seq))
    outbox.end()
    thread.join(20)
    assert read == list(range(1000))
