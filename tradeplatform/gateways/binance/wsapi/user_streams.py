"""The user data streams of a socket: each has one account's events from its answer on, none left out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial

import orjson

from accounts.models import LedgerAccount
from accounts.services.api_keys import ApiKeyCaller
from orders.execution_selectors import Happened
from orders.feed.executions import ExecutionFeed
from orders.feed.hub import Hub
from orders.feed.identity import owner_of
from orders.feed.outlet import Outlet
from tradeplatform.gateways.binance import errors, shapes, user_events
from tradeplatform.gateways.binance.wsapi.performing import Door


class UserFeed(ExecutionFeed):
    """One account's events in this process, made once for all the sockets that want them."""

    def __init__(self, account_id: int) -> None:
        super().__init__(account_id)
        self._subscriptions: set[Subscription] = set()
        self._coming = 0
        self._balances: dict[str, dict[str, str]] = {}

    @property
    def is_watched(self) -> bool:
        """Whether any socket wants them, or is about to."""
        return bool(self._subscriptions or self._coming)

    async def subscribe(self, subscription: Subscription) -> None:
        """Send it all that is committed from now on. Raises what reading raises."""
        self._coming += 1
        try:
            await self.begin()
            # Nothing is told between this and the answer: both are done before anything else runs.
            self._subscriptions.add(subscription)
        finally:
            self._coming -= 1

    def unsubscribe(self, subscription: Subscription) -> None:
        """Send it nothing more."""
        self._subscriptions.discard(subscription)

    def began(self, balances: list[LedgerAccount]) -> None:
        """These balances are known."""
        self._balances = {row.asset.code: shapes.balance(row) for row in balances}

    def tell(self, happened: Happened) -> None:
        """Send what is new, in the unit of time that each wants."""
        changed = self._changed(happened.balances)
        texts: dict[str, list[str]] = {}
        for subscription in list(self._subscriptions):
            clock = subscription.door.clock
            if clock.unit not in texts:
                events = user_events.events_of(happened, changed, clock)
                texts[clock.unit] = [orjson.dumps(event).decode() for event in events]
            for text in texts[clock.unit]:
                subscription.send(text)

    def _changed(self, balances: Iterable[LedgerAccount]) -> list[LedgerAccount]:
        """Those that are other than they were told last; they are known from now on."""
        changed = []
        for row in balances:
            shown = shapes.balance(row)
            if self._balances.get(row.asset.code) != shown:
                self._balances[row.asset.code] = shown
                changed.append(row)
        return changed


class Subscription:
    """One account's events on one socket, as long as the key that asked for them may go on.

    It is a member of the hub beside its socket, which may have several, each with a key of its own.
    """

    def __init__(self, streams: UserStreams, number: int, caller: ApiKeyCaller, *, by_session: bool) -> None:
        self.number = number
        self.account_id = caller.account_id
        self.by_session = by_session
        self.identity = owner_of(caller)
        self.door = streams.door
        self._streams = streams

    def accounts(self) -> set[int]:
        """The one account."""
        return {self.account_id}

    def tick(self, now: float) -> None:
        """A second has passed: see to the key."""
        if self.identity.expires_at <= datetime.now(UTC):
            self._streams.terminate(self)

    def turned(self, *, live: bool) -> None:
        """What was missed meanwhile is read once the server hears again."""

    def access_ended(self) -> None:
        """The key was revoked or replaced, its owner shut out, or the account went to somebody else."""
        self._streams.terminate(self)

    def send(self, event: str) -> None:
        """Send an event."""
        self._streams.outlet.send(f'{{"subscriptionId":{self.number},"event":{event}}}')


class UserStreams:
    """The subscriptions of one socket."""

    def __init__(self, hub: Hub, outlet: Outlet, door: Door) -> None:
        self.outlet = outlet
        self.door = door
        self._hub = hub
        self._subscriptions: dict[int, Subscription] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._subscriptions)

    def body(self) -> list[dict[str, int]]:
        """As session.subscriptions shows them."""
        return [{"subscriptionId": number} for number in self._subscriptions]

    async def subscribe(self, caller: ApiKeyCaller, *, by_session: bool) -> dict[str, int]:
        """Send the events of the caller's account from now on. Raises -2035, and what reading raises."""
        if any(one.account_id == caller.account_id for one in self._subscriptions.values()):
            raise errors.already_subscribed()
        one = Subscription(self, self._next, caller, by_session=by_session)
        await self._feed(one).subscribe(one)
        self._next += 1
        self._subscriptions[one.number] = one
        self._hub.join(one)
        return {"subscriptionId": one.number}

    def unsubscribe(self, number: int | None) -> None:
        """End a subscription, or all. Raises -2036."""
        if number is not None and number not in self._subscriptions:
            raise errors.not_subscribed()
        for one in list(self._subscriptions.values()):
            if number in {None, one.number}:
                self.terminate(one)

    def end_of_session(self) -> None:
        """End what was subscribed to by the logon that ends."""
        for one in list(self._subscriptions.values()):
            if one.by_session:
                self.terminate(one)

    def terminate(self, one: Subscription) -> None:
        """End a subscription, and say so."""
        if self._subscriptions.pop(one.number, None) is not None:
            self._leave(one)
            one.send(orjson.dumps(user_events.terminated(self.door.clock)).decode())

    def close(self) -> None:
        """The socket is gone."""
        for one in self._subscriptions.values():
            self._leave(one)
        self._subscriptions.clear()

    def _leave(self, one: Subscription) -> None:
        self._feed(one).unsubscribe(one)
        self._hub.leave(one)

    def _feed(self, one: Subscription) -> UserFeed:
        return self._hub.account(one.account_id).follower("binance", partial(UserFeed, one.account_id))
