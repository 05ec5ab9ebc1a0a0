"""Whoever finds the threads of a lane busy waits for his turn, and for no more than one of each other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from orders.feed import lanes
from orders.feed.lanes import Lane, Lists
from tests.feed.talk import PATIENCE
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.together import LOCK_PATIENCE


class Held:
    """A lane of one thread, which is held until it is let go; what was done since, in order."""

    def __init__(self, *, room: int | None = None) -> None:
        self.lane, self.gate, self.done = Lane("held", 1, room=room), threading.Event(), list[str]()

    async def begin(self) -> asyncio.Task[bool]:
        """Hold the thread."""
        holder = asyncio.create_task(self.lane.run(self.gate.wait, PATIENCE))
        await asyncio.sleep(0)
        return holder

    async def ask(self, whose: str, what: str) -> asyncio.Task[None]:
        """Ask for something to be done."""
        task = asyncio.create_task(self.lane.run_for(whose, self.done.append, what))
        await asyncio.sleep(0)
        return task


async def test_one_of_each_then_the_next_of_each() -> None:
    held = Held()
    asked = [await held.begin()]
    asked += [await held.ask(what[0], what) for what in ("a1", "a2", "a3", "b1", "c1")]  # type: ignore[misc]
    held.gate.set()
    await asyncio.gather(*asked)

    assert held.done == ["a1", "b1", "c1", "a2", "a3"]


async def test_whoever_has_most_is_refused_at_once_and_nothing_of_it_is_done() -> None:
    held = Held(room=2)
    holder = await held.begin()
    kept, gives_way, other = [await held.ask(what[0], what) for what in ("a1", "a2", "b1")]
    with pytest.raises(Refusal) as refused:
        await gives_way
    assert (refused.value.code, refused.value.context) == (Code.OVERLOADED, {"retry_after": 1})
    held.gate.set()
    await asyncio.gather(holder, kept, other)

    assert held.done == ["a1", "b1"]


async def test_whoever_leaves_leaves_his_turn_to_the_next() -> None:
    held = Held()
    holder = await held.begin()
    leaves, stays = await held.ask("a", "a1"), await held.ask("b", "b1")
    leaves.cancel()
    held.gate.set()
    await asyncio.gather(holder, stays)
    assert held.done == ["b1"]

    again = await held.ask("a", "a2")
    await again
    assert held.done == ["b1", "a2"]


class Listing:
    """A thread that answers in lists and is held until it is let go; the lists it was given."""

    def __init__(self, *, most: int = 10, room: int = 10) -> None:
        self.gate, self.lists = threading.Event(), list[list[str]]()
        self.lane: Lists[str, str] = Lists("listing", self._answer, most=most, room=room)

    def _answer(self, asked: Sequence[str]) -> list[str | Exception]:
        assert self.gate.wait(PATIENCE)
        self.lists.append(list(asked))
        if "all" in asked:
            raise ConnectionError("all")
        return [KeyError(what) if what.endswith("!") else what.upper() for what in asked]

    async def ask(self, what: str) -> asyncio.Task[str]:
        """Ask in the name of its first letter."""
        task = asyncio.create_task(self.lane.ask(what[0], what))
        await asyncio.sleep(0)
        return task


async def _ended(tasks: Sequence[asyncio.Task[str]]) -> list[str | BaseException]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_comes_while_a_list_is_answered_is_in_the_next_in_turns() -> None:
    held = Listing(most=3)
    asked = [await held.ask(what) for what in ("a1", "a2", "a3", "a4", "b1", "c1")]
    held.gate.set()

    assert await _ended(asked) == ["A1", "A2", "A3", "A4", "B1", "C1"]
    assert held.lists == [["a1"], ["a2", "b1", "c1"], ["a3", "a4"]]
    assert await (await held.ask("a5")) == "A5"


async def test_what_fails_of_one_is_his_and_what_fails_of_the_list_is_everybodys() -> None:
    held = Listing(most=2)
    held.gate.set()
    first = await held.ask("a1")
    some = [await held.ask(what) for what in ("b!", "b1", "c1", "d1")]

    assert await first == "A1"
    assert [type(found) for found in await _ended(some)] == [KeyError, str, str, str]
    all_of_it = await _ended([await held.ask(what) for what in ("all", "b2")])
    assert [type(found) for found in all_of_it] == [ConnectionError, str]


async def test_whoever_has_most_waiting_for_a_list_gives_way() -> None:
    held = Listing(room=2)
    taken = await held.ask("z")
    kept, gives_way, other = [await held.ask(what) for what in ("a1", "a2", "b1")]

    with pytest.raises(Refusal) as refused:
        await gives_way
    held.gate.set()

    assert refused.value.code == Code.OVERLOADED
    assert await _ended([taken, kept, other]) == ["Z", "A1", "B1"]


async def test_whoever_has_waited_too_long_for_his_list_is_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    held, now = Listing(), [100.0]
    monkeypatch.setattr(lanes, "_clock", lambda: now[0])
    taken, late = await held.ask("z"), await held.ask("a1")
    now[0] += LOCK_PATIENCE / 2
    other = await held.ask("b1")
    now[0] += LOCK_PATIENCE / 2 + 0.1
    held.gate.set()

    assert await _ended([taken, other]) == ["Z", "B1"]
    with pytest.raises(Refusal) as refused:
        await late
    assert refused.value.code == Code.OVERLOADED
    assert held.lists == [["z"], ["b1"]]


async def test_whoever_leaves_before_his_list_is_not_in_it_and_after_it_is_done_all_the_same() -> None:
    held = Listing()
    taken = await held.ask("z")
    leaves, stays = await held.ask("a1"), await held.ask("b1")
    leaves.cancel()
    taken.cancel()
    held.gate.set()

    assert await stays == "B1"
    assert held.lists == [["z"], ["b1"]]


async def test_a_list_is_nobodys_alone() -> None:
    """What is bound where somebody asks, such as the id he is followed by, is not bound for all."""
    mine: ContextVar[str] = ContextVar("mine", default="nobody's")
    lane: Lists[str, str] = Lists("bound", lambda asked: [mine.get()] * len(asked), most=10, room=10)
    mine.set("his")

    assert await lane.ask("a", "a") == "nobody's"
