"""Whoever finds the threads of a lane busy waits for his turn, and for no more than one of each other."""

from __future__ import annotations

import asyncio
import threading

import pytest

from orders.feed.lanes import Lane
from tests.feed.talk import PATIENCE
from tradeplatform.common.errors import Code, Refusal


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
