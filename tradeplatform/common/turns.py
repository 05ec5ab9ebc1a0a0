"""A queue that is served in turns: one of each owner, then the next of each, and that has an end.

Where it is full, the owner who has most in it gives way, with his newest: who floods is refused, and nobody
else. What has given way has not been begun. Whoever shares it between threads holds a lock of his own.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Turns(Generic[Item]):
    """So many at most (`room`); of one owner in the order they came."""

    def __init__(self, room: int | None = None) -> None:
        """Nobody waits; without `room` there is no end."""
        self._room = sys.maxsize if room is None else room
        #: By owner, the next to be served first. Nobody is in it with nothing.
        self._of: dict[Hashable, deque[Item]] = {}
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def put(self, item: Item, owner: Hashable = None) -> Item | None:
        """Queue it; what had to give way for it, which may be itself."""
        self._of.setdefault(owner, deque()).append(item)
        self._waiting += 1
        if self._waiting <= self._room:
            return None
        # Of those who have as much as the newcomer he is the one who asks for more.
        most = max(self._of, key=lambda one: (len(self._of[one]), one == owner))
        last = self._of[most].pop()
        self._waiting -= 1
        if not self._of[most]:
            del self._of[most]
        return last

    def take(self) -> Item | None:
        """Whose turn it is, who then waits no more; None where nobody waits."""
        if not self._of:
            return None
        owner = next(iter(self._of))
        mine = self._of.pop(owner)
        found = mine.popleft()
        self._waiting -= 1
        if mine:
            # Behind all others.
            self._of[owner] = mine
        return found
