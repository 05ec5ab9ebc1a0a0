"""A socket's queue: order, collapse, bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orders.feed.outbox import MAX_BYTES, MAX_DELTA_BYTES, MAX_DELTAS, MAX_MESSAGES, Outbox


def drained(outbox: Outbox) -> list[str]:
    found = []
    while (text := outbox.pop()) is not None:
        found.append(text)
    return found


def book() -> str:
    return "snapshot"


def nothing() -> None:
    return None


def test_messages_leave_in_the_order_they_came() -> None:
    outbox = Outbox()
    outbox.put("a")
    outbox.put_delta("BTC", "delta 1", book)
    outbox.put_latest("ticker", "t")
    outbox.put("b")
    outbox.put_delta("ETH", "delta 2", book)
    assert drained(outbox) == ["a", "delta 1", "t", "b", "delta 2"]
    assert (outbox.pop(), len(outbox)) == (None, 0)


def test_of_a_latest_message_only_the_newest_leaves_in_the_place_of_the_first() -> None:
    outbox = Outbox()
    outbox.put_latest("ticker", "old")
    outbox.put("a")
    outbox.put_latest("ticker", "new")
    outbox.put_latest("other", "x")
    assert drained(outbox) == ["new", "a", "x"]
    outbox.put_latest("ticker", "again")
    assert drained(outbox) == ["again"]


def test_too_many_deltas_become_one_snapshot_of_that_book_alone() -> None:
    outbox = Outbox()
    outbox.put("trade 1")
    for number in range(MAX_DELTAS):
        outbox.put_delta("BTC", f"b{number}", book)
    outbox.put_delta("ETH", "e1", book)
    outbox.put("trade 2")
    outbox.put_delta("BTC", "one too many", book)
    outbox.put_delta("BTC", "needless", book)
    outbox.put_delta("ETH", "e2", book)
    assert drained(outbox) == ["trade 1", "e1", "trade 2", "snapshot", "e2"]


def test_exactly_as_many_deltas_as_allowed_are_kept() -> None:
    outbox = Outbox()
    texts = [f"b{number}" for number in range(MAX_DELTAS)]
    for text in texts:
        outbox.put_delta("BTC", text, book)
    assert drained(outbox) == texts


def test_large_deltas_collapse_by_size() -> None:
    outbox = Outbox()
    half = "x" * (MAX_DELTA_BYTES // 2)
    outbox.put_delta("BTC", half, book)
    outbox.put_delta("BTC", half, book)
    assert drained(outbox) == [half, half]
    for _ in range(3):
        outbox.put_delta("BTC", half, book)
    assert drained(outbox) == ["snapshot"]


def test_what_has_left_makes_room_again() -> None:
    outbox = Outbox()
    for number in range(MAX_DELTAS * 3):
        outbox.put_delta("BTC", str(number), book)
        assert outbox.pop() == str(number)


def test_a_snapshot_is_made_when_it_leaves_and_deltas_follow_it() -> None:
    outbox = Outbox()
    versions = ["old"]
    outbox.put_delta("BTC", "before", book)
    outbox.put_snapshot("BTC", lambda: versions[-1])
    outbox.put_snapshot("BTC", lambda: versions[-1])
    versions.append("new")
    assert outbox.pop() == "new"
    outbox.put_delta("BTC", "after", book)
    assert drained(outbox) == ["after"]


def test_a_snapshot_that_cannot_be_made_is_passed_over_and_may_be_asked_for_again() -> None:
    outbox = Outbox()
    outbox.put_snapshot("BTC", nothing)
    outbox.put("a")
    assert drained(outbox) == ["a"]
    outbox.put_snapshot("BTC", book)
    assert drained(outbox) == ["snapshot"]


def test_a_dropped_book_leaves_nothing_behind() -> None:
    outbox = Outbox()
    outbox.put_delta("BTC", "b1", book)
    outbox.put_delta("ETH", "e1", book)
    outbox.drop_book("BTC")
    outbox.drop_book("XRP")
    outbox.put_delta("BTC", "b2", book)
    assert drained(outbox) == ["e1", "b2"]
    outbox.put_snapshot("BTC", book)
    outbox.drop_book("BTC")
    outbox.put_snapshot("BTC", book)
    assert drained(outbox) == ["snapshot"]


def test_too_many_messages_that_must_not_be_lost_overflow() -> None:
    outbox = Outbox()
    for number in range(MAX_MESSAGES):
        outbox.put(str(number))
    before = outbox.overflowed
    outbox.put("one too many")
    assert (before, outbox.overflowed) == (False, True)
    assert drained(outbox) == [str(number) for number in range(MAX_MESSAGES)]


def test_too_many_bytes_overflow_but_one_large_message_alone_does_not() -> None:
    outbox = Outbox()
    large = "x" * (MAX_BYTES + 1)
    outbox.put(large)
    before = outbox.overflowed
    outbox.put("y")
    assert (before, outbox.overflowed) == (False, True)
    assert drained(outbox) == [large]


def test_a_cleared_queue_is_as_new() -> None:
    outbox = Outbox()
    outbox.put("x" * MAX_BYTES)
    outbox.put_delta("BTC", "b", book)
    outbox.put_latest("t", "t")
    outbox.clear()
    assert drained(outbox) == []
    outbox.put("a")
    outbox.put_delta("BTC", "b", book)
    outbox.put_latest("t", "t")
    assert (drained(outbox), outbox.overflowed) == (["a", "b", "t"], False)


_actions = st.lists(
    st.tuples(st.sampled_from(["delta", "delta", "delta", "resync", "read"]), st.sampled_from("AB")),
    max_size=400,
)


class _Writer:
    """Two books that move, and a reader that checks each message against what it read before."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.written = {"A": 0, "B": 0}
        self.read = {"A": -1, "B": -1}

    def delta(self, name: str) -> None:
        self.written[name] += 1
        self.outbox.put_delta(name, f"{name} delta {self.written[name]}", lambda: self.render(name))

    def resync(self, name: str) -> None:
        self.outbox.put_snapshot(name, lambda: self.render(name))

    def render(self, name: str) -> str:
        return f"{name} snapshot {self.written[name]}"

    def take(self) -> bool:
        text = self.outbox.pop()
        if text is not None:
            name, kind, number = text.split()
            follows = self.written[name] if kind == "snapshot" else self.read[name] + 1
            assert int(number) == follows >= self.read[name]
            self.read[name] = follows
        return text is not None


@given(_actions)
def test_a_reader_of_any_speed_can_follow_each_book(actions: list[tuple[str, str]]) -> None:
    """Each book's messages chain: a delta follows what was read, a snapshot is the newest there is."""
    writer = _Writer()
    writer.resync("A")
    writer.resync("B")
    for action, name in actions:
        if action == "read":
            writer.take()
        elif action == "delta":
            writer.delta(name)
        else:
            writer.resync(name)
        assert len(writer.outbox) <= 2 * (2 * MAX_DELTAS + 2)
    while writer.take():
        pass
    assert writer.read == writer.written
