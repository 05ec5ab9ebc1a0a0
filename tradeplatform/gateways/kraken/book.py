"""A book as far as one depth shows it: what changes is encoded once for all sockets that are up to date.

Who cannot take a message at the moment is sent one later, from what he has to what is then. His client need
not know that anything was left out: it holds only what it was sent, and the checksum proves it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import orjson

from orders.feed.market import Frame
from orders.feed.mirror import BookMirror, Level
from orders.feed.outlet import Outlet

#: By price in units of the last digit, best first.
Side = dict[int, Level]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The best levels of a book, and the checksum of the ten best, at a moment.

    The checksum of an empty book is 0, and there are clients that pass over a message with it, as over one
    without any. What such a one still has is `passed`.
    """

    bids: Side
    asks: Side
    checksum: int
    at: str
    passed: View | None = None

    def after(self, before: View | None) -> View:
        """This view, as a client has it that had the other."""
        if before is None or self.bids or self.asks:
            return self
        return replace(self, passed=before.passed or before)

    def shows_the_same_as(self, other: View) -> bool:
        """Whether nobody could tell the two apart."""
        return self.bids == other.bids and self.asks == other.asks


class _Reader:
    """A socket, and the view that it has; None before it was sent any."""

    def __init__(self, book: DepthBook, outlet: Outlet, *, snapshot: bool) -> None:
        self.outlet = outlet
        self.have = None if snapshot else book.view
        self.wants_snapshot = snapshot
        self._book = book

    def moved(self, before: View | None, now: View, text: str | None) -> None:
        """The book has moved; `text` says how, to whom has the view before."""
        begins = self.have is None and not self.wants_snapshot
        if begins or (text is not None and self.have is before and self.outlet.send_if_free(text)):
            self.have = now.after(self.have)
        else:
            self.outlet.send_snapshot(self._book.name, self.render)

    def render(self) -> str | None:
        """What brings it from what it has to what is now; None when that is the same."""
        have, now = self.have, self._book.view
        if now is None or now is have:
            return None
        self.have = now.after(have)
        if have is None:
            return self._book.snapshot(now)
        return None if have.shows_the_same_as(now) else update(self._book.name, self._book.depth, have, now)


class DepthBook:
    """One pair at one depth, for every socket that wants it so."""

    def __init__(self, name: str, depth: int) -> None:
        self.name = name
        self.depth = depth
        self.view: View | None = None
        self._readers: dict[Outlet, _Reader] = {}
        self._snapshot: tuple[View, str] | None = None

    @property
    def is_watched(self) -> bool:
        """Whether any socket wants it."""
        return bool(self._readers)

    def add(self, outlet: Outlet, *, snapshot: bool) -> None:
        """Send it to a socket: the whole first, or only what changes from now on."""
        reader = self._readers[outlet] = _Reader(self, outlet, snapshot=snapshot)
        if snapshot:
            outlet.send_snapshot(self.name, reader.render)

    def remove(self, outlet: Outlet) -> None:
        """Send it to a socket no more."""
        if self._readers.pop(outlet, None):
            outlet.drop_book(self.name)

    def moved(self, book: BookMirror, at: str, frame: Frame | None = None) -> None:
        """The book is so at this time, by whatever way it came there."""
        before = self.view
        now = View(book.best_bids(self.depth), book.best_asks(self.depth), book.checksum(), at)
        if before is not None and before.shows_the_same_as(now):
            return
        self.view = now
        text = None if before is None else update(self.name, self.depth, before, now)
        for reader in self._readers.values():
            reader.moved(before, now, text)

    def snapshot(self, view: View) -> str:
        """The view, encoded once for all who need it."""
        if self._snapshot is None or self._snapshot[0] is not view:
            text = _message("snapshot", self.name, view, view.bids.values(), view.asks.values())
            self._snapshot = (view, text)
        return self._snapshot[1]


def update(name: str, depth: int, before: View, now: View) -> str:
    """What a client that has `before` must be told to have `now`."""
    # Gone come first: a client that truncates after each level, and not after each message, would else lose
    # one.
    had = before.passed or before
    bids = _gone(had.bids, now.bids, full=len(now.bids) == depth, sign=-1) + _new(before.bids, now.bids)
    asks = _gone(had.asks, now.asks, full=len(now.asks) == depth, sign=1) + _new(before.asks, now.asks)
    return _message("update", name, now, bids, asks)


def _gone(before: Side, now: Side, *, full: bool, sign: int) -> list[Level]:
    """The levels of a side that are gone, with quantity zero.

    What others have pushed out of a full side is not mentioned: truncating takes it away. Of the prices
    `sign` makes numbers that grow from best to worst.
    """
    worst = sign * next(reversed(now)) if full and now else None
    return [
        (level[0], "0")
        for price, level in before.items()
        if price not in now and (worst is None or sign * price < worst)
    ]


def _new(before: Side, now: Side) -> list[Level]:
    """The levels of a side that are new or different."""
    return [level for price, level in now.items() if before.get(price) != level]


def _message(kind: str, name: str, view: View, bids: Iterable[Level], asks: Iterable[Level]) -> str:
    """Numbers are the printed decimals as they are: JSON takes all their digits, a float might not."""
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":{orjson.dumps(name).decode()},'
        f'"bids":[{_levels(bids)}],"asks":[{_levels(asks)}],"checksum":{view.checksum},'
        f'"timestamp":"{view.at}"}}]}}'
    )


def _levels(levels: Iterable[Level]) -> str:
    return ",".join(f'{{"price":{price},"qty":{quantity}}}' for price, quantity in levels)
