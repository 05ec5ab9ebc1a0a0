"""One account in this process: the sockets of its owner, and what they have not been told yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from orders.feed import reading
from orders.feed.outlet import Outlet
from orders.feed.private import Numbering, PrivateFeed
from orders.feed.protocol import Channel, encode
from orders.feed.retrying import until_read
from orders.metrics import RESYNCS

_MAX_BUFFERED = 1_000
_SECONDS_TO_SETTLE = 1.0

Frame = dict[str, Any]

# What a message of the channel is called, and the list in it.
_WORDS = {
    Channel.ORDERS: ("order", "orders"),
    Channel.FILLS: ("fill", "fills"),
    Channel.BALANCES: ("balance", "balances"),
    Channel.ALERTS: ("alert", "alerts"),
}
# What a commit of the journal brings.
_OF_COMMITS = (Channel.ORDERS, Channel.FILLS, Channel.BALANCES)


@dataclass(frozen=True, slots=True)
class _Update:
    """An encoded message, and where in the journal it stands; an alert stands nowhere (shard 0)."""

    channel: Channel
    shard: int
    position: int
    text: str

    def is_in(self, positions: Mapping[int, int]) -> bool:
        """Whether a snapshot at these positions of the shards has it; of an alert nobody knows."""
        return bool(self.shard) and self.position <= positions.get(self.shard, 0)


class AccountFollower(Protocol):
    """A view of an account in other words than ours, made once for all sockets that want it."""

    @property
    def is_watched(self) -> bool:
        """Whether any socket wants it."""

    def moved(self, order_ids: Iterable[int], *, shard: int, position: int) -> None:
        """A commit at this position of a shard has touched these orders of the account: all that it did."""

    def money_moved(self) -> None:
        """Money moved without an order."""

    def resync(self) -> None:
        """Something may have been missed."""

    def close(self) -> None:
        """Stop for good."""


_F = TypeVar("_F", bound=AccountFollower)


class AccountFeed:
    """Hands on what is published; a socket first gets a snapshot, then only what is newer.

    Between the two, while the snapshot is read, it is `waiting`.
    """

    def __init__(self, account_id: int, numbering: Numbering) -> None:
        self.account_id = account_id
        self.numbered = PrivateFeed(account_id, numbering)
        # With the positions of the shards that the socket's snapshot was taken at.
        self._live: dict[Channel, dict[Outlet, dict[int, int]]] = {channel: {} for channel in _WORDS}
        self._waiting: dict[Channel, set[Outlet]] = {channel: set() for channel in _WORDS}
        self._followers: dict[Hashable, AccountFollower] = {}
        self._subscribed = False
        self._reader: asyncio.Task[None] | None = None
        self._read_again = False
        self._early: list[_Update] = []
        self._positions: dict[int, int] = {}
        self._balances_from = 0
        self._settle_timer: asyncio.TimerHandle | None = None

    @property
    def is_watched(self) -> bool:
        """Whether any socket wants anything of this account."""
        followed = bool(self.numbered) or any(one.is_watched for one in self._followers.values())
        return followed or any(self._live.values()) or any(self._waiting.values())

    def add(self, channel: Channel, outlet: Outlet) -> None:
        """Send the channel to a socket, beginning with a snapshot; not the events of `numbered`."""
        self._live[channel].pop(outlet, None)
        self._waiting[channel].add(outlet)
        self._read_if_needed()

    def remove(self, channel: Channel, outlet: Outlet) -> None:
        """Send the channel to a socket no more."""
        if channel == Channel.PRIVATE:
            self.numbered.remove(outlet)
            return
        self._live[channel].pop(outlet, None)
        self._waiting[channel].discard(outlet)

    def follower(self, key: Hashable, make: Callable[[], _F]) -> _F:
        """The follower under this key, made if there is none."""
        found: Any = self._followers.get(key)
        if found is None:
            found = self._followers[key] = make()
        one: _F = found
        return one

    def resync(self) -> None:
        """Everything published from now on is heard; give everybody a snapshot of what came before."""
        RESYNCS.labels("account").inc()
        self.lost()
        self._subscribed = True
        self._read_if_needed()
        self.numbered.moved()
        for follower in self._followers.values():
            follower.resync()

    def lost(self) -> None:
        """Something published may not have been heard: say nothing more until all has been read again."""
        self._subscribed = False
        self._stop_reading()
        self._positions.clear()
        self._wait(_WORDS)

    def close(self) -> None:
        """Stop for good."""
        self.lost()
        self.numbered.close()
        if self._settle_timer is not None:
            self._settle_timer.cancel()
        for follower in self._followers.values():
            follower.close()

    def frame(self, frame: Frame) -> None:
        """Take what was published."""
        self.numbered.moved()
        if frame["type"] == "refresh":
            self._refresh_balances()
            for follower in self._followers.values():
                follower.money_moved()
            return
        if frame["type"] == "alerts":
            self._tell(_Update(Channel.ALERTS, 0, 0, self._text(Channel.ALERTS, "update", frame)))
            return
        shard, position = frame["shard"], frame["position"]
        if position <= self._positions.get(shard, 0):
            return
        self._positions[shard] = position
        touched = [int(order["id"]) for order in frame["orders"]] if self._followers else []
        for follower in self._followers.values():
            follower.moved(touched, shard=shard, position=position)
        for channel in _OF_COMMITS:
            if frame[_WORDS[channel][1]] and (self._live[channel] or self._waiting[channel]):
                self._tell(_Update(channel, shard, position, self._text(channel, "update", frame)))
        if frame["balances"]:
            self._settle_later(shard)

    def _tell(self, update: _Update) -> None:
        for outlet, since in self._live[update.channel].items():
            if not update.is_in(since):
                outlet.send(update.text)
        if self._reader is not None:
            self._early.append(update)
            if len(self._early) > _MAX_BUFFERED:
                self._stop_reading()
                self._read_if_needed()

    def _settle_later(self, shard: int) -> None:
        """Two shards publish one account's balances in either order: read the truth once they are quiet."""
        mixed = self._balances_from not in {0, shard}
        self._balances_from = shard
        if mixed and self._settle_timer is None:
            loop = asyncio.get_running_loop()
            self._settle_timer = loop.call_later(_SECONDS_TO_SETTLE, self._refresh_balances)

    def _refresh_balances(self) -> None:
        self._settle_timer = None
        self._wait({Channel.BALANCES})
        # A read that is under way may have begun before the change.
        self._read_again = self._reader is not None
        self._read_if_needed()

    def _wait(self, channels: Iterable[Channel]) -> None:
        for channel in channels:
            self._waiting[channel].update(self._live[channel])
            self._live[channel].clear()

    def _stop_reading(self) -> None:
        self._early.clear()
        self._read_again = False
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _read_if_needed(self) -> None:
        if self._subscribed and self._reader is None and any(self._waiting.values()):
            self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        # Who comes while we read waits for the next read: this one may know nothing of his channel.
        waiting = {channel: set(outlets) for channel, outlets in self._waiting.items() if outlets}
        read = await until_read(reading.read_account, self.account_id, list(waiting))
        self._reader = None
        early, self._early = self._early, []
        for channel, outlets in waiting.items():
            newer = [
                update.text
                for update in early
                if update.channel == channel and not update.is_in(read.positions)
            ]
            text = self._text(channel, "snapshot", {_WORDS[channel][1]: read.found[channel]})
            for outlet in outlets & self._waiting[channel]:
                for message in (text, *newer):
                    outlet.send(message)
                self._waiting[channel].discard(outlet)
                self._live[channel][outlet] = read.positions
        if self._read_again:
            self._refresh_balances()
        self._read_if_needed()

    def _text(self, channel: Channel, action: str, content: Frame) -> str:
        kind, name = _WORDS[channel]
        message: Frame = {"type": kind, "action": action, "account": self.account_id}
        if action == "update" and channel in _OF_COMMITS:
            message |= {key: content[key] for key in ("shard", "position", "correlation_ids")}
        return encode(message | {name: content[name]})
