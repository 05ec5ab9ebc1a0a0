"""The hub: what this process follows, for all its sockets, over one subscription to Valkey."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import orjson
import structlog
from django.conf import settings

from accounts.services.api_keys import forget
from instruments.selectors import Rules
from orders.feed.account import AccountFeed
from orders.feed.guard import Guard
from orders.feed.identity import Identity, read_access
from orders.feed.link import Link
from orders.feed.market import MarketFeed
from orders.feed.outlet import Outlet
from orders.feed.positions import ShardPositions
from orders.feed.private import Numbering
from orders.feed.protocol import Channel, Topic
from orders.feed.reading import DATABASE_AWAY, in_thread, read_positions
from orders.feed.retrying import until_read
from orders.metrics import GAPS
from orders.services.frames import SHARDS_CHANNEL, market_channel
from tradeplatform.common.valkey import ACCESS_CHANNEL, account_channel

logger = structlog.get_logger(__name__)

MAX_SOCKETS = 5_000
_TICK_SECONDS = 1.0
_AUDIT_SECONDS = 5.0


class Member(Protocol):
    """A socket, as far as the hub has to do with it."""

    @property
    def identity(self) -> Identity | None:
        """Who it belongs to, if that is known."""

    def accounts(self) -> set[int]:
        """The accounts it has subscribed to."""

    def tick(self, now: float) -> None:
        """A second has passed."""

    def turned(self, *, live: bool) -> None:
        """The server hears from the market again, or no more."""

    def access_ended(self) -> None:
        """Whoever it belongs to may not go on."""


class Hub:
    """Shares feeds between sockets; runs while there are any.

    It hears the frames of what is followed, and of every shard how far it has come. If anything was missed,
    of a connection lost or of a batch never published, all is read from the database again.
    """

    def __init__(self) -> None:
        self._members: set[Member] = set()
        self._markets: dict[str, MarketFeed] = {}
        self._accounts: dict[int, AccountFeed] = {}
        self._positions = ShardPositions()
        self._link = Link(settings.REDIS_URL, self)
        self._tasks: list[asyncio.Task[None]] = []
        self._beginning: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._last_tick = 0.0
        self.live = False
        self.guard = Guard()
        self._numbering = Numbering()

    def is_full(self) -> bool:
        """Whether one more socket would be one too many."""
        return len(self._members) >= MAX_SOCKETS

    def join(self, member: Member) -> None:
        """A socket has come; the first one starts the hub."""
        self._members.add(member)
        if not self._tasks:
            self._link = Link(settings.REDIS_URL, self)
            self._link.want(SHARDS_CHANNEL)
            self._link.want(ACCESS_CHANNEL)
            # In a context of their own: what they log is not about the socket that happened to come first.
            runs = (self._link.run, self._run_ticks, self._run_audits, self.guard.run, self._numbering.run)
            self._tasks = [asyncio.create_task(run(), context=Context()) for run in runs]

    def leave(self, member: Member) -> None:
        """A socket has gone; the last one stops the hub."""
        self._members.discard(member)
        if not self._members:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            for feed in self._feeds():
                feed.close()
            self._markets.clear()
            self._accounts.clear()
            self.down()

    def add(self, topic: Topic, outlet: Outlet, rules: Rules | None, *, after: int = 0) -> None:
        """Send a topic to a socket; `rules` for a topic of an instrument, None for one of an account.

        Of the numbered events those that come `after` a number.
        """
        if rules is None:
            account = self.account(topic.account)
            if topic.channel == Channel.PRIVATE:
                account.numbered.add(outlet, after)
            else:
                account.add(topic.channel, outlet)
            return
        self.market(rules).add(topic.channel, outlet)

    def account(self, account_id: int) -> AccountFeed:
        """The feed of an account, for whoever watches or follows it from now on."""
        account = self._accounts.get(account_id)
        if account is None:
            account = self._accounts[account_id] = AccountFeed(account_id, self._numbering)
            self._link.want(account_channel(account_id))
        return account

    def market(self, rules: Rules) -> MarketFeed:
        """The feed of an instrument, for whoever watches or follows it from now on."""
        market = self._markets.get(rules.symbol)
        if market is None:
            market = self._markets[rules.symbol] = MarketFeed(rules)
            self._link.want(market_channel(rules.symbol))
        return market

    def remove(self, topic: Topic, outlet: Outlet) -> None:
        """Send a topic to a socket no more. A feed without sockets is kept until the next audit."""
        feed = self._markets.get(topic.symbol) or self._accounts.get(topic.account)
        if feed is not None:
            feed.remove(topic.channel, outlet)

    def confirmed(self, channel: str) -> None:
        """The link is subscribed to the channel."""
        kind, _, name = channel.partition(":")
        if channel == SHARDS_CHANNEL:
            self._beginning = asyncio.create_task(self._begin())
        elif kind == "md" and name in self._markets:
            self._markets[name].resync()
        elif kind == "acct" and int(name) in self._accounts:
            self._accounts[int(name)].resync()

    def frame(self, channel: str, body: bytes) -> None:
        """The link has heard something."""
        kind, _, name = channel.partition(":")
        try:
            frame = orjson.loads(body)
            if channel == SHARDS_CHANNEL:
                self._hear(frame)
            elif channel == ACCESS_CHANNEL:
                self._ask_soon(int(frame["user"]))
            elif kind == "md" and name in self._markets:
                self._markets[name].frame(frame)
            elif kind == "acct" and int(name) in self._accounts:
                self._accounts[int(name)].frame(frame)
        except (ValueError, KeyError, TypeError):
            # Not from our drain, or from one of another version: what it meant is in the database.
            logger.exception("feed_frame_broken", channel=channel)
            self._resync_all("broken_frame")

    def down(self) -> None:
        """The link is lost."""
        self._positions.forget()
        if self._beginning is not None:
            self._beginning.cancel()
            self._beginning = None
        for feed in self._feeds():
            feed.lost()
        self._set_live(live=False)

    def _feeds(self) -> list[MarketFeed | AccountFeed]:
        return [*self._markets.values(), *self._accounts.values()]

    def _hear(self, frame: dict[str, Any]) -> None:
        contiguous = self._positions.hear(
            shard=frame["shard_id"], first=frame["first_position"], last=frame["position"]
        )
        if not contiguous:
            self._resync_all("batch_missed")

    async def _begin(self) -> None:
        if not self._positions.begin(await until_read(read_positions)):
            self._resync_all("batch_missed")
        self._set_live(live=True)

    def _resync_all(self, why: str) -> None:
        """Something was published that we have not heard, and whom it concerned is not known."""
        GAPS.labels(why).inc()
        logger.warning("feed_resync_all", why=why, markets=len(self._markets), accounts=len(self._accounts))
        for feed in self._feeds():
            feed.resync()

    def _set_live(self, *, live: bool) -> None:
        if live != self.live:
            self.live = live
            for member in self._members:
                member.turned(live=live)

    async def _run_ticks(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            for member in list(self._members):
                member.tick(now)

    async def _run_audits(self) -> None:
        while True:
            await asyncio.sleep(_AUDIT_SECONDS)
            self._forget_unwatched()
            for account in self._accounts.values():
                # Money that moved outside the journal may have been told of by a frame that was lost.
                account.numbered.moved()
            try:
                await self._audit()
            except DATABASE_AWAY as error:
                logger.warning("feed_audit_failed", error=str(error).strip())

    async def _audit(self) -> None:
        """Look for lost batches, and for people and accounts whose rights have changed."""
        if not self._positions.audit(await in_thread(read_positions)):
            self._resync_all("batch_never_published")
        await self._audit_access(lambda _identity: True)

    async def _audit_access(self, concerns: Callable[[Identity], bool]) -> None:
        """Close the sockets of those who may not go on."""
        claims = [
            (member, identity, frozenset(member.accounts()))
            for member in self._members
            if (identity := member.identity) is not None and concerns(identity)
        ]
        if claims:
            accounts_of_all = frozenset().union(*(claim[2] for claim in claims))
            access = await in_thread(read_access, {claim[1] for claim in claims}, accounts_of_all)
            for member, identity, accounts in claims:
                if not access.allows(identity, accounts):
                    member.access_ended()

    def _ask_soon(self, user_id: int) -> None:
        """A person's access may have changed; the database says. Should this fail, the next audit asks."""
        asking = asyncio.create_task(self._audit_person(user_id))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)

    async def _audit_person(self, user_id: int) -> None:
        try:
            # Whoever comes with a key is looked at anew as well.
            await in_thread(forget, user_id=user_id)
            await self._audit_access(lambda identity: identity.user_id == user_id)
        except DATABASE_AWAY as error:
            logger.warning("feed_audit_failed", error=str(error).strip())

    def _forget_unwatched(self) -> None:
        for symbol in [symbol for symbol, market in self._markets.items() if not market.is_watched]:
            self._markets.pop(symbol).close()
            self._link.unwant(market_channel(symbol))
        for number in [number for number, account in self._accounts.items() if not account.is_watched]:
            self._accounts.pop(number).close()
            self._link.unwant(account_channel(number))


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop; a process that serves sockets has one loop, hence one hub."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        found = _hubs[loop] = Hub()
    return found
