"""What threads ask at the same time is asked together, and each gets its own answer, none an older one."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from django.db import OperationalError, transaction

from tests.threads import PATIENCE, start_elsewhere
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common import together
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.together import Together

pytestmark = pytest.mark.django_db(transaction=True)


class Asked:
    """Answers numbers with their squares; the first time only when it is told to. 13 is beyond it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.arrived, self.open = threading.Event(), threading.Event()
        self.error: Exception = ZeroDivisionError()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        """The squares, in order."""
        self.batches.append(list(numbers))
        self.arrived.set()
        assert self.open.wait(PATIENCE)
        if 13 in numbers:
            raise self.error
        return [number * number for number in numbers]


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_the_first_goes_alone_and_those_behind_it_together(asked: Asked) -> None:
    square = Together(asked, most=3)
    first = start_elsewhere(lambda: square(1))
    assert asked.arrived.wait(PATIENCE)
    rest = []
    for number in range(2, 7):
        rest.append(start_elsewhere(lambda number=number: square(number)))  # type: ignore[misc]
        wait_for(lambda: square.waiting() == len(rest), "it to queue")
    asked.open.set()

    assert [each.result(PATIENCE) for each in (first, *rest)] == [1, 4, 9, 16, 25, 36]
    assert asked.batches == [[1], [2, 3, 4], [5, 6]]
    assert square.waiting() == 0


def test_a_fault_of_one_is_not_its_neighbours(asked: Asked) -> None:
    square = Together(asked)
    first = start_elsewhere(lambda: square(1))
    assert asked.arrived.wait(PATIENCE)
    bad = start_elsewhere(lambda: square(13))
    wait_for(lambda: square.waiting() == 1, "the first to queue")
    good = start_elsewhere(lambda: square(2))
    wait_for(lambda: square.waiting() == 2, "both to queue")
    asked.open.set()

    assert [first.result(PATIENCE), good.result(PATIENCE)] == [1, 4]
    with pytest.raises(ZeroDivisionError):
        bad.result(PATIENCE)


def test_a_lost_database_is_told_to_all_at_once_and_the_next_go_on(asked: Asked) -> None:
    asked.error = OperationalError("gone")
    square = Together(asked)
    first = start_elsewhere(lambda: square(1))
    assert asked.arrived.wait(PATIENCE)
    lost = [start_elsewhere(lambda: square(13))]
    wait_for(lambda: square.waiting() == 1, "the first to queue")
    lost.append(start_elsewhere(lambda: square(2)))
    wait_for(lambda: square.waiting() == 2, "both to queue")
    asked.open.set()

    assert first.result(PATIENCE) == 1
    for each in lost:
        with pytest.raises(OperationalError):
            each.result(PATIENCE)
    assert square(3) == 9
    assert asked.batches == [[1], [13, 2], [3]]


def test_whoever_leaves_for_good_leaves_the_queue_to_the_next(asked: Asked) -> None:
    asked.error = SystemExit()  # type: ignore[assignment]
    square = Together(asked, most=1)
    gone = start_elsewhere(lambda: square(13))
    assert asked.arrived.wait(PATIENCE)
    next_one = start_elsewhere(lambda: square(2))
    wait_for(lambda: square.waiting() == 1, "the next to queue")
    asked.open.set()

    with pytest.raises(SystemExit):
        gone.result(PATIENCE)
    assert next_one.result(PATIENCE) == 4


def test_where_more_wait_than_go_at_once_they_go_in_turns(asked: Asked) -> None:
    square = Together(asked, most=2, whose=lambda number: number // 10)
    first = start_elsewhere(lambda: square(1))
    assert asked.arrived.wait(PATIENCE)
    rest = []
    for number in (2, 3, 4, 20):
        rest.append(start_elsewhere(lambda number=number: square(number)))  # type: ignore[misc]
        wait_for(lambda: square.waiting() == len(rest), "it to queue")
    asked.open.set()

    assert [each.result(PATIENCE) for each in (first, *rest)] == [1, 4, 9, 16, 400]
    assert asked.batches == [[1], [2, 20], [3, 4]]


def test_where_there_is_no_room_whoever_has_most_is_refused_at_once_and_not_asked(asked: Asked) -> None:
    square = Together(asked, room=2, whose=lambda number: number // 10)
    first = start_elsewhere(lambda: square(1))
    assert asked.arrived.wait(PATIENCE)
    kept = start_elsewhere(lambda: square(2))
    wait_for(lambda: square.waiting() == 1, "the first to queue")
    gives_way = start_elsewhere(lambda: square(3))
    wait_for(lambda: square.waiting() == 2, "both to queue")

    with pytest.raises(Refusal) as refused:
        square(4)
    other = start_elsewhere(lambda: square(20))
    with pytest.raises(Refusal) as too:
        gives_way.result(PATIENCE)
    asked.open.set()

    assert [each.result(PATIENCE) for each in (first, kept, other)] == [1, 4, 400]
    assert asked.batches == [[1], [2, 20]]
    for refusal in (refused.value, too.value):
        assert (refusal.code, refusal.status, refusal.context) == (Code.OVERLOADED, 503, {"retry_after": 1})


def test_whoever_has_waited_too_long_is_refused_and_not_asked(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first waits for a lock until its time is over; those behind it would begin to after that."""
    clock = [100.0]
    monkeypatch.setattr(together, "_clock", lambda: clock[0])
    square = Together(asked, patience=4.0)
    first = start_elsewhere(lambda: square(1))
    assert asked.arrived.wait(PATIENCE)
    late = [start_elsewhere(lambda: square(2))]
    wait_for(lambda: square.waiting() == 1, "one to queue")
    late.append(start_elsewhere(lambda: square(3)))
    wait_for(lambda: square.waiting() == 2, "another to queue")
    clock[0] += 1.5
    in_time = start_elsewhere(lambda: square(4))
    wait_for(lambda: square.waiting() == 3, "the last to queue")
    clock[0] += 3.0
    asked.open.set()

    assert [first.result(PATIENCE), in_time.result(PATIENCE)] == [1, 16]
    for each in late:
        with pytest.raises(Refusal) as refused:
            each.result(PATIENCE)
        assert (refused.value.code, refused.value.context) == (Code.OVERLOADED, {"retry_after": 1})
    assert square(5) == 25
    assert asked.batches == [[1], [4], [5]]


def test_in_a_transaction_everyone_asks_alone(asked: Asked) -> None:
    square = Together(asked)
    elsewhere = start_elsewhere(lambda: square(1))
    assert asked.arrived.wait(PATIENCE)
    asked.open.set()
    with transaction.atomic():
        assert square(2) == 4

    assert elsewhere.result(PATIENCE) == 1
    assert asked.batches == [[1], [2]]
