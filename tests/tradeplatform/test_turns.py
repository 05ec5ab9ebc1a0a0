"""A queue in turns: nobody waits behind all that another has queued, and only who has most is refused."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tradeplatform.common.turns import Turns

_OWNERS = st.sampled_from("abcd")
#: An owner puts something, or somebody takes.
_STEPS = st.lists(st.one_of(_OWNERS, st.none()), max_size=200)


def taken(turns: Turns[str]) -> list[str]:
    """All that wait, in the order they are served."""
    found = []
    while (item := turns.take()) is not None:
        found.append(item)
    return found


def test_one_of_each_then_the_next_of_each() -> None:
    turns = Turns[str]()
    for item in ("a1", "a2", "a3", "b1", "c1", "b2"):
        assert turns.put(item, item[0]) is None

    assert taken(turns) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_where_it_is_full_the_newest_of_whoever_has_most_gives_way() -> None:
    turns = Turns[str](4)
    for item in ("a1", "a2", "a3", "b1"):
        turns.put(item, item[0])

    assert turns.put("b2", "b") == "a3"
    # Two each: whoever asks for a third is refused himself.
    assert turns.put("b3", "b") == "b3"
    assert turns.put("a3", "a") == "a3"
    assert turns.put("c1", "c") in {"a2", "b2"}
    assert len(turns) == 4


def test_without_room_everybody_is_refused() -> None:
    assert Turns[str](0).put("a1", "a") == "a1"


@given(_STEPS, st.integers(1, 8))
def test_nothing_is_lost_or_doubled_and_each_owner_is_served_in_order(
    steps: list[str | None], room: int
) -> None:
    turns, put = Turns[tuple[str, int]](room), Counter[str]()
    gone: list[tuple[str, int]] = []
    served: dict[str, list[int]] = defaultdict(list)
    for owner in [*steps, *([None] * (room + 1))]:
        if owner is None:
            if (item := turns.take()) is not None:
                served[item[0]].append(item[1])
        else:
            put[owner] += 1
            out = turns.put((owner, put[owner]), owner)
            gone += [] if out is None else [out]
        assert len(turns) <= room

    assert len(turns) == 0
    for numbers in served.values():
        assert numbers == sorted(numbers)
    everything = gone + [(owner, number) for owner, numbers in served.items() for number in numbers]
    assert sorted(everything) == [(owner, n) for owner in sorted(put) for n in range(1, put[owner] + 1)]


@given(st.lists(_OWNERS, max_size=60), st.integers(4, 16))
def test_who_never_has_more_than_his_share_is_never_refused(others: list[str], room: int) -> None:
    """With four who ask, a quarter of the room is safe from the other three, however they flood."""
    share, turns = room // 4, Turns[str](room)
    for owner in others:
        turns.put(owner, f"flood {owner}" if owner != "a" else "flood b")
    for _ in range(share):
        assert turns.put("mine", "polite") != "mine"
    for owner in others:
        assert turns.put(owner, f"flood {owner}" if owner != "a" else "flood b") != "mine"


@given(st.lists(_OWNERS, min_size=1, max_size=60))
def test_nobody_waits_for_more_than_one_of_each_other(others: list[str]) -> None:
    turns = Turns[str]()
    for owner in others:
        turns.put(owner, owner)
    turns.put("mine", "polite")

    before = taken(turns).index("mine")

    assert before <= len(set(others))
