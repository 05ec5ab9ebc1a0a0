"""One socket's conversation in Kraken's words: public books, nothing else."""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog

from instruments.selectors import Rules
from orders.feed.hub import Hub
from orders.feed.identity import Identity
from orders.feed.manners import Manners, is_too_large
from orders.feed.outlet import Outlet
from orders.feed.protocol import MAX_SUBSCRIPTIONS, TOO_LARGE, TOO_MANY_SOCKETS, now_text
from orders.feed.reading import DATABASE_AWAY, in_thread
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.gateways.kraken import protocol
from tradeplatform.gateways.kraken.book import DepthBook
from tradeplatform.gateways.kraken.pairs import rules_by_pair
from tradeplatform.gateways.kraken.protocol import Ping, RequestId, Subscribe, Unsubscribe

logger = structlog.get_logger(__name__)


class Session:
    """Answers a socket's messages one after the other. A socket has a pair at one depth at a time."""

    identity: Identity | None = None

    def __init__(self, hub: Hub, outlet: Outlet) -> None:
        self.outlet = outlet
        self._hub = hub
        self._books: dict[str, DepthBook] = {}
        self._manners = Manners()

    def open(self) -> None:
        """Say how we are, or send the socket away if there are too many."""
        if self._hub.is_full():
            self.outlet.close(TOO_MANY_SOCKETS)
            return
        self._hub.join(self)
        self.outlet.send(protocol.status(live=self._hub.live))

    def end(self) -> None:
        """The socket is gone: forget it everywhere."""
        for name in list(self._books):
            self._leave(name)
        self._hub.leave(self)

    def accounts(self) -> set[int]:
        """Nobody's: all here is public."""
        return set()

    def tick(self, now: float) -> None:
        """A second has passed."""
        self.outlet.tick(now, live=self._hub.live)

    def turned(self, *, live: bool) -> None:
        """The server hears from the market again, or no more."""
        self.outlet.send_latest("status", protocol.status(live=live))

    def access_ended(self) -> None:
        """Nobody's access: all here is public."""

    async def receive(self, text: str | None) -> None:
        """Answer a message; None stands for a binary one. Never raises for what a client sent."""
        if self.outlet.closing is not None:
            return
        if is_too_large(text):
            self.outlet.close(TOO_LARGE)
            return
        time_in, request, method = now_text(), None, None
        try:
            self._manners.check_pace()
            message = protocol.decode(text)
            method = message.get("method")
            request = protocol.request_id(message)
            await self._answer(protocol.parse(message), request, time_in)
        except Refusal as refusal:
            self._refuse(refusal, method, request, time_in)
        except DATABASE_AWAY as error:
            logger.warning("feed_request_failed", error=str(error).strip())
            self._refuse(Refusal(Code.UNAVAILABLE, "Service unavailable"), method, request, time_in)

    async def _answer(self, asked: protocol.Request, request: RequestId, time_in: str) -> None:
        if isinstance(asked, Ping):
            self.outlet.send(protocol.answer("pong", request, time_in=time_in, result=None))
        elif isinstance(asked, Subscribe):
            await self._subscribe(asked, request, time_in)
        else:
            self._unsubscribe(asked, request, time_in)

    async def _subscribe(self, asked: Subscribe, request: RequestId, time_in: str) -> None:
        if len(self._books.keys() | set(asked.names)) > MAX_SUBSCRIPTIONS:
            sentence = f"Too many subscriptions: at most {MAX_SUBSCRIPTIONS} pairs a connection"
            raise Refusal(Code.TOO_MANY_SUBSCRIPTIONS, sentence)
        found = await in_thread(rules_by_pair, asked.names)
        if self.outlet.closing is not None:
            return
        for name in asked.names:
            if name in found:
                self._follow(name, found[name], asked, request, time_in)
            else:
                refusal = Refusal(Code.UNKNOWN_SYMBOL, f"Currency pair not supported {name}")
                self._refuse(refusal, "subscribe", request, time_in, name)

    def _follow(self, name: str, rules: Rules, asked: Subscribe, request: RequestId, time_in: str) -> None:
        self._leave(name)
        depth = asked.depth
        result = {"channel": "book", "symbol": name, "depth": depth, "snapshot": asked.snapshot}
        self.outlet.send(protocol.answer("subscribe", request, time_in=time_in, result=result))
        book = self._hub.market(rules).follower(("kraken", depth), partial(DepthBook, name, depth))
        book.add(self.outlet, snapshot=asked.snapshot)
        self._books[name] = book

    def _unsubscribe(self, asked: Unsubscribe, request: RequestId, time_in: str) -> None:
        for name in asked.names:
            if book := self._books.get(name):
                self._leave(name)
                result = {"channel": "book", "symbol": name, "depth": book.depth}
                self.outlet.send(protocol.answer("unsubscribe", request, time_in=time_in, result=result))
            else:
                refusal = Refusal(Code.INVALID_FIELD, "Subscription not found")
                self._refuse(refusal, "unsubscribe", request, time_in, name)

    def _leave(self, name: str) -> None:
        if book := self._books.pop(name, None):
            book.remove(self.outlet)

    def _refuse(
        self, refusal: Refusal, method: Any, request: RequestId, time_in: str, name: str | None = None
    ) -> None:
        """Say no, and good-bye to whoever does not learn."""
        why = self._manners.forgive(refusal.code)
        if why is None:
            sentence = refusal.message
            self.outlet.send(protocol.error(method, request, time_in=time_in, sentence=sentence, name=name))
        else:
            self.outlet.close(why)
