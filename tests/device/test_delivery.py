"""The order in which answers leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.device.streaming.delivery import Delivery, Late

FINISHING_ORDERS = st.integers(0, 12).flatmap(lambda count: st.permutations(range(count)))


def deliver(late: Late, finishing: list[int]) -> list[tuple[int, bool]]:
    delivery = Delivery[int](late)
    assert [delivery.begin() for _ in finishing] == sorted(finishing)
    return [leaving for number in finishing for leaving in delivery.finish(number, number)]


@given(FINISHING_ORDERS)
def test_waiting_gives_every_answer_in_order(finishing: list[int]) -> None:
    assert deliver("wait", finishing) == [(number, False) for number in sorted(finishing)]


@given(FINISHING_ORDERS)
def test_dropping_gives_no_answer_older_than_one_that_was_given(finishing: list[int]) -> None:
    left = deliver("drop", finishing)
    assert [number for number, _ in left] == sorted(number for number, _ in left)
    assert not any(stale for _, stale in left)
    assert all(
        (number, False) in left for index, number in enumerate(finishing) if number == max(finishing[: index + 1])
    )


@given(FINISHING_ORDERS)
def test_stale_answers_come_when_they_are_there_and_are_marked(finishing: list[int]) -> None:
    left = deliver("stale", finishing)
    assert [number for number, _ in left] == finishing
    assert [stale for _, stale in left] == [
        number < max(finishing[: index + 1]) for index, number in enumerate(finishing)
    ]


@pytest.mark.parametrize("late", ["wait", "drop", "stale"])
def test_what_finishes_in_order_leaves_at_once(late: Late) -> None:
    assert deliver(late, [0, 1, 2]) == [(0, False), (1, False), (2, False)]
