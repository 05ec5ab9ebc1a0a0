"""One socket's conversation: what it may ask, what it has subscribed to, who it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from django.utils import timezone

from accounts.selectors import require_own_account
from orders.feed import entry, protocol
from orders.feed.hub import Hub
from orders.feed.identity import Identity, identify, identify_key
from orders.feed.manners import Manners, is_too_large
from orders.feed.outlet import Outlet
from orders.feed.protocol import (
    Auth,
    CancelOnDisconnect,
    Channel,
    Enter,
    KeyAuth,
    Ping,
    RequestId,
    Subscribe,
    Topic,
)
from orders.feed.reading import DATABASE_AWAY, find_rules, in_thread
from orders.services.cancel_timers import GRACE_SECONDS
from orders.services.private_events import begin
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import rfc3339

logger = structlog.get_logger(__name__)


class Session:
    """Answers a socket's messages one after the other. The socket is closed through its outlet."""

    def __init__(self, hub: Hub, outlet: Outlet, *, ip: str | None = None) -> None:
        self.outlet = outlet
        self._ip = ip
        self.identity: Identity | None = None
        self._hub = hub
        self._topics: set[Topic] = set()
        self._guarded: set[int] = set()
        self._manners = Manners()

    def open(self) -> None:
        """Greet the socket, or send it away if there are too many."""
        if self._hub.is_full():
            self.outlet.close(protocol.TOO_MANY_SOCKETS)
            return
        self._hub.join(self)
        self.outlet.send(protocol.welcome())

    def end(self) -> None:
        """The socket is gone: forget it everywhere."""
        self._leave(self._topics)
        self._hub.guard.gone(self)
        self._hub.leave(self)

    def accounts(self) -> set[int]:
        """The accounts it has to do with."""
        return self._guarded | {topic.account for topic in self._topics if topic.channel in protocol.PRIVATE}

    def tick(self, now: float) -> None:
        """A second has passed: see to the token and to the reader."""
        if self.identity is not None and self.identity.expires_at <= datetime.now(UTC):
            self.identity = None
            if self.accounts():
                self.outlet.close(protocol.AUTH_EXPIRED)
        self.outlet.tick(now, live=self._hub.live)

    def turned(self, *, live: bool) -> None:
        """The server hears from the market again, or no more."""
        self.outlet.send_latest("heartbeat", protocol.heartbeat(live=live))

    def access_ended(self) -> None:
        """The login was closed, or an account went to somebody else."""
        self.outlet.close(protocol.ACCESS_ENDED)

    async def receive(self, text: str | None) -> None:
        """Answer a message; None stands for a binary one. Never raises for what a client sent."""
        if self.outlet.closing is not None:
            return
        if is_too_large(text):
            self.outlet.close(protocol.TOO_LARGE)
            return
        request: RequestId = None
        try:
            message = self._decode(text)
            request = protocol.request_id(message)
            await self._answer(protocol.parse(message), request)
        except Refusal as refusal:
            self._refuse(refusal, request)
        except DATABASE_AWAY as error:
            logger.warning("feed_request_failed", error=str(error).strip())
            self.outlet.send(
                protocol.error(Refusal(Code.UNAVAILABLE, "The database did not answer: try again."), request)
            )

    def _decode(self, text: str | None) -> dict[str, Any]:
        if text is None:
            self._manners.check_pace()
            raise Refusal(Code.MALFORMED_JSON, "Send text frames: binary ones are not understood.")
        message = protocol.decode(text)
        self._manners.check_pace(of_orders=protocol.is_of_orders(message))
        return message

    async def _answer(self, request: protocol.Request, number: RequestId) -> None:
        if isinstance(request, Ping):
            self.outlet.send(protocol.answer("pong", number, time=protocol.now_text()))
        elif isinstance(request, Auth):
            await self._authenticate(await in_thread(identify, request.token), number)
        elif isinstance(request, KeyAuth):
            await self._authenticate(await in_thread(identify_key, request, ip=self._ip), number)
        elif isinstance(request, Enter):
            await self._enter(request, number)
        elif isinstance(request, Subscribe):
            await self._subscribe(request, number)
        elif isinstance(request, CancelOnDisconnect):
            await self._guard(request, number)
        else:
            self._leave({request.topic} & self._topics)
            self.outlet.send(protocol.answer("unsubscribed", number, **request.topic.fields()))

    async def _authenticate(self, found: Identity, number: RequestId) -> None:
        if self.identity is not None and found.reach != self.identity.reach:
            sentence = "This socket belongs to another person: open another one."
            raise Refusal(Code.PERMISSION_DENIED, sentence)
        self.identity = found
        expires_at = rfc3339(found.expires_at)
        self.outlet.send(protocol.answer("authenticated", number, user=found.username, expires_at=expires_at))

    async def _subscribe(self, request: Subscribe, number: RequestId) -> None:
        topic, after = request.topic, 0
        if topic not in self._topics and len(self._topics) >= protocol.MAX_SUBSCRIPTIONS:
            sentence = f"A socket has at most {protocol.MAX_SUBSCRIPTIONS} subscriptions: open another one."
            raise Refusal(Code.TOO_MANY_SUBSCRIPTIONS, sentence, maximum=protocol.MAX_SUBSCRIPTIONS)
        rules = None
        if topic.channel in protocol.PRIVATE:
            await self._require_account(topic.account)
            if topic.channel == Channel.PRIVATE:
                wanted = None if request.start is None else request.start - 1
                after = await in_thread(begin, topic.account, wanted, now=timezone.now())
        else:
            rules = await in_thread(find_rules, topic.symbol)
        if self.outlet.closing is None:
            self._topics.add(topic)
            self.outlet.send(protocol.answer("subscribed", number, **topic.fields()))
            self._hub.add(topic, self.outlet, rules, after=after)

    async def _enter(self, request: Enter, number: RequestId) -> None:
        """What the rules of trading refuse is no bad manners, however often it happens."""
        if self.identity is None:
            raise Refusal(Code.NOT_AUTHENTICATED, "Send an auth message first.")
        caller = self.identity.caller(self._ip)
        try:
            kind, fields = await entry.perform(request.op, request.body, caller)
        except Refusal as refusal:
            self.outlet.send(protocol.error(refusal, number))
        except DATABASE_AWAY:
            raise
        except Exception:
            logger.exception("order_entry_failed", op=request.op)
            sentence = "A fault of ours; what became of this is unknown: ask for the order."
            self.outlet.send(protocol.error(Refusal(Code.INTERNAL_ERROR, sentence), number))
        else:
            self.outlet.send(protocol.answer(kind, number, **fields))

    async def _guard(self, request: CancelOnDisconnect, number: RequestId) -> None:
        identity = await self._require_account(request.account)
        await in_thread(identity.caller(self._ip).require_trade)
        actor = identity.actor(self._ip)
        if request.enabled:
            await self._hub.guard.put_on(request.account, self, actor)
            self._guarded.add(request.account)
        elif request.account in self._guarded:
            self._guarded.discard(request.account)
            await self._hub.guard.take_off(request.account, self, actor)
        fields = {"account": request.account, "enabled": request.enabled, "grace_seconds": GRACE_SECONDS}
        self.outlet.send(protocol.answer("cancel_on_disconnect", number, **fields))

    async def _require_account(self, account_id: int) -> Identity:
        if self.identity is None:
            raise Refusal(Code.NOT_AUTHENTICATED, "This is private: send an auth message first.")
        await in_thread(require_own_account, self.identity.reach, account_id)
        # It may have run out while we asked.
        if self.identity is None:
            raise Refusal(Code.NOT_AUTHENTICATED, protocol.AUTH_EXPIRED.message)
        return self.identity

    def _leave(self, topics: set[Topic]) -> None:
        for topic in list(topics):
            self._topics.discard(topic)
            self._hub.remove(topic, self.outlet)

    def _refuse(self, refusal: Refusal, request: RequestId) -> None:
        """Say no, and good-bye to whoever does not learn."""
        why = self._manners.forgive(refusal.code)
        if why is None:
            self.outlet.send(protocol.error(refusal, request))
        else:
            self.outlet.close(why)
