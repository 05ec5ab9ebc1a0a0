"""One instrument in this process: its mirror, and the sockets that watch it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Hashable
from typing import Any, Protocol, TypeVar

import structlog

from instruments.models import InstrumentStatus
from instruments.selectors import Rules
from orders.feed import reading
from orders.feed.mirror import Applied, BookMirror
from orders.feed.outlet import Outlet
from orders.feed.protocol import Channel, encode, now_text
from orders.feed.retrying import until_read
from orders.feed.ticker import TickerFeed
from orders.metrics import GAPS, RESYNCS
from orders.services.journal import moment
from tradeplatform.common.times import rfc3339

logger = structlog.get_logger(__name__)

_MAX_BUFFERED = 1_000
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 5.0

Frame = dict[str, Any]


class Follower(Protocol):
    """A view of a book in other words than ours, made once for all sockets that want it."""

    @property
    def is_watched(self) -> bool:
        """Whether any socket wants it."""

    def moved(self, book: BookMirror, at: str, frame: Frame | None) -> None:
        """The book is so at this time: because of a frame, or (None) read just now, whatever was before."""


_F = TypeVar("_F", bound=Follower)


class MarketFeed:
    """Follows a book: keeps what is published while it reads, then moves on frame by frame.

    It is ready once what was read and what was published have met. When a frame is missing it reads again,
    and everybody gets a snapshot.
    """

    def __init__(self, rules: Rules) -> None:
        self._ready = asyncio.Event()
        self.symbol = rules.symbol
        self._rules = rules
        self._mirror = BookMirror()
        self._ticker = TickerFeed(rules, self._mirror)
        self._watchers: dict[Channel, set[Outlet]] = {
            Channel.BOOK: set(),
            Channel.TRADES: set(),
            Channel.STATUS: set(),
            Channel.TICKER: self._ticker.watchers,
        }
        self._followers: dict[Hashable, Follower] = {}
        self._early: deque[Frame] = deque(maxlen=_MAX_BUFFERED)
        self._reader: asyncio.Task[None] | None = None
        self._misfits = 0
        self._time = ""
        self._status = ""
        self._auction_ends_at: str | None = None
        self._indicative: dict[str, str] | None = None
        self._indicative_told: dict[str, str] | None = None
        self._trades: deque[dict[str, Any]] = deque(maxlen=reading.RECENT_TRADES)
        self._snapshot: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the book is known, up to the last frame."""
        return self._ready.is_set()

    async def until_ready(self) -> None:
        """Return once the book is known."""
        await self._ready.wait()

    @property
    def is_watched(self) -> bool:
        """Whether any socket wants anything of this instrument."""
        return any(self._watchers.values()) or any(one.is_watched for one in self._followers.values())

    def add(self, channel: Channel, outlet: Outlet) -> None:
        """Send the channel to a socket: what it begins with now if it is known, else as soon as it is."""
        self._watchers[channel].add(outlet)
        if self.ready:
            self._greet(channel, [outlet])

    def follower(self, key: Hashable, make: Callable[[], _F]) -> _F:
        """The follower under this key, made if there is none, and told where the book is if that is known."""
        found: Any = self._followers.get(key)
        if found is None:
            found = self._followers[key] = make()
            if self.ready:
                found.moved(self._mirror, self._time, None)
        one: _F = found
        return one

    def remove(self, channel: Channel, outlet: Outlet) -> None:
        """Send the channel to a socket no more."""
        self._watchers[channel].discard(outlet)
        if channel == Channel.BOOK:
            outlet.drop_book(self.symbol)

    def resync(self) -> None:
        """Read what came before the frames that we hear from now on."""
        RESYNCS.labels("market").inc()
        self.lost()
        self._reader = asyncio.create_task(self._read())

    def lost(self) -> None:
        """What we have may be old: say nothing more until it has been read again."""
        self._ready.clear()
        self._early.clear()
        self._ticker.lost()
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def close(self) -> None:
        """Stop for good."""
        self.lost()
        self._ticker.close()

    def frame(self, frame: Frame) -> None:
        """Take what was published."""
        if not self.ready:
            self._early.append(frame)
            return
        applied = self._take(frame)
        if applied is Applied.APPLIED:
            self._misfits = 0
            self._tell(frame)
        elif applied is not Applied.STALE:
            self._misfit(applied, frame)
            self.resync()

    def snapshot(self) -> str | None:
        """The book as it is now, encoded once for all who need it; None while it is being read."""
        if not self.ready:
            return None
        if self._snapshot is None:
            self._snapshot = encode(
                {
                    "type": "book",
                    "action": "snapshot",
                    "symbol": self.symbol,
                    "seq": self._mirror.seq,
                    "time": self._time,
                    "bids": self._mirror.bids(),
                    "asks": self._mirror.asks(),
                    "checksum": self._mirror.checksum(),
                    "status": self._status,
                    "indicative": self._indicative,
                }
            )
        return self._snapshot

    async def _read(self) -> None:
        while True:
            if self._misfits > 1:
                # Frames that never fit are a fault somewhere: do not make it the database's trouble as well.
                await asyncio.sleep(min(_FIRST_DELAY * 2**self._misfits, _LONGEST_DELAY))
            self._load(await until_read(reading.read_market, self._rules))
            if self._catch_up():
                break
        self._reader = None
        self._ready.set()
        for channel, outlets in self._watchers.items():
            self._greet(channel, outlets)
        self._tell_followers(None)

    def _load(self, read: reading.MarketRead) -> None:
        self._mirror.load(seq=read.seq, bids=read.bids, asks=read.asks)
        self._snapshot = None
        self._time, self._status = now_text(), read.status
        self._auction_ends_at, self._indicative = read.auction_ends_at, read.indicative
        self._trades.clear()
        self._trades.extend(read.trades)
        self._ticker.last = read.trades[-1]["price"] if read.trades else None

    def _catch_up(self) -> bool:
        """Apply what was published while we read; False when something is missing: read again."""
        early = list(self._early)
        self._early.clear()
        for frame in early:
            applied = self._take(frame)
            if applied in {Applied.GAP, Applied.CORRUPT}:
                self._misfit(applied, frame)
                return False
        return True

    def _misfit(self, applied: Applied, frame: Frame) -> None:
        self._misfits += 1
        why, seq = applied.name.lower(), self._mirror.seq
        GAPS.labels(why).inc()
        logger.warning("feed_resync", symbol=self.symbol, why=why, seq=seq, first_seq=frame["first_seq"])

    def _take(self, frame: Frame) -> Applied:
        applied = self._mirror.apply(
            first_seq=frame["first_seq"],
            seq=frame["seq"],
            bids=frame["bids"],
            asks=frame["asks"],
            checksum=frame["checksum"],
        )
        if applied is Applied.APPLIED:
            self._snapshot = None
            self._time = rfc3339(moment(frame["time"]))
            if "status" in frame:
                self._status, self._auction_ends_at = frame["status"], frame.get("auction_ends_at")
            # Every frame of an auction has it, as far as bids and asks cross.
            self._indicative = frame.get("indicative")
            self._trades.extend(frame["trades"])
            self._ticker.moved(frame["trades"])
        return applied

    def _tell(self, frame: Frame) -> None:
        """Encode each message once and hand it to all who watch.

        A book may cross only while its status is not active: the status goes first when it becomes so, and
        last when that ends.
        """
        has_status, ends = "status" in frame, self._status == InstrumentStatus.ACTIVE
        if has_status and not ends:
            _send(self._watchers[Channel.STATUS], self._status_text)
        if watchers := self._watchers[Channel.BOOK]:
            text, symbol, render = self._delta(frame), self.symbol, self.snapshot
            for outlet in watchers:
                outlet.send_delta(symbol, text, render)
        self._tell_followers(frame)
        if frame["trades"]:
            _send(self._watchers[Channel.TRADES], self._trades_text, "update", frame["trades"])
        if has_status and ends:
            _send(self._watchers[Channel.STATUS], self._status_text)
        elif not has_status:
            self._tell_indicative()
        self._indicative_told = self._indicative

    def _tell_followers(self, frame: Frame | None) -> None:
        for key, follower in list(self._followers.items()):
            if follower.is_watched:
                follower.moved(self._mirror, self._time, frame)
            else:
                del self._followers[key]

    def _tell_indicative(self) -> None:
        watchers = self._watchers[Channel.STATUS]
        if watchers and self._indicative != self._indicative_told:
            text = self._indicative_text()
            for outlet in watchers:
                outlet.send_latest(f"indicative:{self.symbol}", text)

    def _greet(self, channel: Channel, outlets: Collection[Outlet]) -> None:
        """Send what a channel begins with."""
        if channel == Channel.BOOK:
            for outlet in outlets:
                outlet.send_snapshot(self.symbol, self.snapshot)
        elif channel == Channel.TRADES:
            _send(outlets, self._trades_text, "snapshot", list(self._trades))
        elif channel == Channel.STATUS:
            self._indicative_told = self._indicative
            _send(outlets, self._status_text)
        else:
            self._ticker.greet(outlets)

    def _delta(self, frame: Frame) -> str:
        return encode(
            {
                "type": "book",
                "action": "delta",
                "symbol": self.symbol,
                "first_seq": frame["first_seq"],
                "seq": frame["seq"],
                "time": self._time,
                "bids": frame["bids"],
                "asks": frame["asks"],
                "checksum": frame["checksum"],
            }
        )

    def _trades_text(self, action: str, trades: list[dict[str, Any]]) -> str:
        seq = self._mirror.seq
        return encode(
            {"type": "trade", "action": action, "symbol": self.symbol, "seq": seq, "trades": trades}
        )

    def _status_text(self) -> str:
        return encode(
            {
                "type": "status",
                "symbol": self.symbol,
                "seq": self._mirror.seq,
                "status": self._status,
                "auction_ends_at": self._auction_ends_at,
                "indicative": self._indicative,
            }
        )

    def _indicative_text(self) -> str:
        nothing = {"price": None, "quantity": None, "surplus": None}
        return encode(
            {
                "type": "indicative",
                "symbol": self.symbol,
                "seq": self._mirror.seq,
                "time": self._time,
                **(self._indicative or nothing),
            }
        )


def _send(outlets: Collection[Outlet], render: Any, *args: Any) -> None:
    """Encode once, if anybody is there to hear it."""
    if outlets:
        text = render(*args)
        for outlet in outlets:
            outlet.send(text)
