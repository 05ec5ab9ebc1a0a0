"""What waits to be sent to one socket: bounded, and where the latest is all that matters, only the latest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

# Past this a book's deltas are worth less than the book.
MAX_DELTAS = 64
MAX_DELTA_BYTES = 256 * 1024
# Past this the reader will not catch up with what must not be thrown away.
MAX_MESSAGES = 1_000
MAX_BYTES = 1024 * 1024

Render = Callable[[], str | None]


@dataclass(slots=True, eq=False)
class _Entry:
    """One place in the queue; without text it was thrown away, with `render` the text is made when sent."""

    text: str | None = None
    render: Render | None = None
    book: str = ""
    latest: str = ""


@dataclass(slots=True)
class _PendingBook:
    """What waits for one symbol: deltas, or a snapshot that makes them needless."""

    deltas: list[_Entry] = field(default_factory=list)
    size: int = 0
    snapshot: bool = False


class Outbox:
    """A queue in order of arrival in which books collapse to a snapshot and tickers to the newest.

    `overflowed` turns true when messages that must not be lost pile up; the socket is then to be closed.
    """

    def __init__(self) -> None:
        self.overflowed = False
        self._queue: deque[_Entry] = deque()
        self._books: dict[str, _PendingBook] = {}
        self._latest: dict[str, _Entry] = {}
        self._messages = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, text: str) -> None:
        """Add a message that must not be lost."""
        full = self._messages >= MAX_MESSAGES or self._bytes + len(text) > MAX_BYTES
        if full and self._messages:
            self.overflowed = True
            return
        self._messages += 1
        self._bytes += len(text)
        self._queue.append(_Entry(text=text))

    def put_latest(self, key: str, text: str) -> None:
        """Add a message that replaces the one waiting under the same key, if there is one."""
        if waiting := self._latest.get(key):
            waiting.text = text
            return
        entry = _Entry(text=text, latest=key)
        self._latest[key] = entry
        self._queue.append(entry)

    def put_delta(self, symbol: str, text: str, render: Render) -> None:
        """Add a change of a book. `render` makes the snapshot to send instead, should too many be waiting."""
        book = self._books.setdefault(symbol, _PendingBook())
        if book.snapshot:
            return
        book.size += len(text)
        if len(book.deltas) >= MAX_DELTAS or book.size > MAX_DELTA_BYTES:
            self.put_snapshot(symbol, render)
            return
        entry = _Entry(text=text, book=symbol)
        book.deltas.append(entry)
        self._queue.append(entry)

    def put_snapshot(self, symbol: str, render: Render) -> None:
        """Send the book as it will be when its turn comes; the deltas that wait are thrown away."""
        book = self._books.setdefault(symbol, _PendingBook())
        if book.snapshot:
            return
        for entry in book.deltas:
            entry.text = None
        # Behind all that waits now: what was asked for is answered in order.
        self._queue.append(_Entry(render=render, book=symbol))
        self._books[symbol] = _PendingBook(snapshot=True)

    def drop_book(self, symbol: str) -> None:
        """Throw away what waits of a book."""
        book = self._books.pop(symbol, None)
        if book is not None:
            for entry in self._queue:
                if entry.book == symbol:
                    entry.text = entry.render = None

    def clear(self) -> None:
        """Throw away everything."""
        self._queue.clear()
        self._books.clear()
        self._latest.clear()
        self._messages = self._bytes = 0

    def pop(self) -> str | None:
        """The next message to send, or None when there is none."""
        while self._queue:
            entry = self._queue.popleft()
            text = entry.text
            if entry.latest:
                del self._latest[entry.latest]
            elif entry.render is not None:
                del self._books[entry.book]
                text = entry.render()
            elif entry.book:
                if text is not None:
                    self._take_delta(entry, text)
            elif text is not None:
                self._messages -= 1
                self._bytes -= len(text)
            if text is not None:
                return text
        return None

    def _take_delta(self, entry: _Entry, text: str) -> None:
        book = self._books[entry.book]
        book.deltas.remove(entry)
        book.size -= len(text)
        if not book.deltas:
            del self._books[entry.book]
