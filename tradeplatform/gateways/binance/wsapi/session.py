"""One socket's conversation: requests and their answers, who it is logged on as, and its user data streams.

Requests are taken one after the other, so that a cancel finds what the request before it has placed; what
waits for the book is answered when the book has answered, whatever came in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar

from accounts.services.api_keys import ApiKeyCaller
from orders.feed.hub import Hub
from orders.feed.outlet import Outlet
from tradeplatform.common.correlation import bind
from tradeplatform.gateways.binance import errors
from tradeplatform.gateways.binance.keys import Security
from tradeplatform.gateways.binance.parameters import Parameters
from tradeplatform.gateways.binance.refusals import Asked
from tradeplatform.gateways.binance.serving import Later, failure
from tradeplatform.gateways.binance.signing import Validity, microseconds_now
from tradeplatform.gateways.binance.sockets import RequestId, SocketSession
from tradeplatform.gateways.binance.wsapi import answers, performing
from tradeplatform.gateways.binance.wsapi.answers import Used
from tradeplatform.gateways.binance.wsapi.logon import Logon
from tradeplatform.gateways.binance.wsapi.methods import METHODS
from tradeplatform.gateways.binance.wsapi.performing import Door
from tradeplatform.gateways.binance.wsapi.requests import Request, Unreadable, read
from tradeplatform.gateways.binance.wsapi.user_streams import UserStreams

#: Requests that wait for the book; beyond them the socket is not read.
MOST_WAITING = 100
_OWN_WEIGHT = 2
_SIGNED = frozenset({"timestamp", "recvWindow", "signature"})

Own = Callable[[Request, Used], Awaitable[Any]]


class ApiSession(SocketSession):
    """`/ws-api/v3`."""

    #: Weight is what limits requests; this only stops a loop gone wild.
    messages_per_second: ClassVar[int] = 300

    def __init__(self, hub: Hub, outlet: Outlet, door: Door) -> None:
        super().__init__(hub, outlet)
        self._door = door
        self._logon = Logon(door, connected=microseconds_now())
        self._streams = UserStreams(hub, outlet, door)
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._finishing: set[asyncio.Task[None]] = set()
        self._own: dict[str, Own] = {
            "session.logon": self._log_on,
            "session.status": self._status,
            "session.logout": self._log_out,
            "session.subscriptions": self._subscriptions,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    def end(self) -> None:
        """The socket is gone: forget it everywhere. What it has asked for is done all the same."""
        self._streams.close()
        for task in self._finishing:
            task.cancel()
        super().end()

    async def answer(self, text: str) -> None:
        """Answer a message, or begin to. Never raises for what a client sent."""
        bind()
        used = Used(shown=self._door.shows_limits)
        try:
            request = read(text)
        except Unreadable as unreadable:
            await self._refuse_unreadable(unreadable, used)
            return
        found = METHODS.get(request.method)
        asked = found.endpoint.asked if found else Asked.LOOK
        try:
            used.shown = performing.wants_limits(request, self._door)
            if own := self._own.get(request.method):
                self._send(answers.result(request.id, await own(request, used), used))
                return
            done = await performing.commit(request, found, self._door, used)
        except Exception as error:  # noqa: BLE001 - each has an answer
            self._send(answers.refusal(request.id, failure(error, asked), used))
            return
        if not isinstance(done, Later):
            self._send(answers.result(request.id, done, used))
            return
        await self._room.acquire()
        task = asyncio.create_task(self._finish(request.id, done, asked, used))
        self._finishing.add(task)
        task.add_done_callback(self._finished)

    async def _finish(self, number: RequestId, later: Later, asked: Asked, used: Used) -> None:
        try:
            done = await performing.wait_for_book(later, self._door, used)
            text = answers.result(number, done, used)
        except Exception as error:  # noqa: BLE001 - each has an answer
            text = answers.refusal(number, failure(error, asked), used)
        self._send(text)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._finishing.discard(task)
        self._room.release()

    async def _refuse_unreadable(self, unreadable: Unreadable, used: Used) -> None:
        error = unreadable.error
        try:
            await performing.at_the_door(performing.count, self._door, used, weight=1, now=microseconds_now())
        except errors.BinanceError as beyond:
            error = beyond
        self._send(answers.refusal(unreadable.number, error, used))

    def _send(self, text: str) -> None:
        self.outlet.send(text)

    # --- The socket's own methods -----------------------------------------------------------------------

    async def _log_on(self, request: Request, used: Used) -> Any:
        caller = await self._signer(request, used, Security.USER_DATA)
        self._logon.begin(caller)
        return self._logon.body(self._streams)

    async def _status(self, request: Request, used: Used) -> Any:
        await self._count(request, used)
        return self._logon.body(self._streams)

    async def _log_out(self, request: Request, used: Used) -> Any:
        await self._count(request, used)
        self._streams.end_of_session()
        self._logon.end()
        return self._logon.body(self._streams)

    async def _subscriptions(self, request: Request, used: Used) -> Any:
        await self._count(request, used)
        return self._streams.body()

    async def _subscribe(self, request: Request, used: Used) -> Any:
        await self._count(request, used)
        if not self._door.key_id:
            raise errors.not_authorised()
        caller = await performing.at_the_door(self._logon.caller)
        return await self._streams.subscribe(caller, by_session=True)

    async def _subscribe_signed(self, request: Request, used: Used) -> Any:
        caller = await self._signer(request, used, Security.USER_STREAM)
        return await self._streams.subscribe(caller, by_session=False)

    async def _unsubscribe(self, request: Request, used: Used) -> Any:
        await self._count(request, used, "subscriptionId")
        self._streams.unsubscribe(Parameters(request.params).integer("subscriptionId"))
        return {}

    async def _count(self, request: Request, used: Used, *names: str) -> None:
        count = partial(performing.count, self._door, used, weight=_OWN_WEIGHT, now=microseconds_now())
        await performing.at_the_door(count)
        performing.check_known(request, {*names})

    async def _signer(self, request: Request, used: Used, security: Security) -> ApiKeyCaller:
        """Whose key has signed the request itself, whoever the socket is logged on as."""
        await self._count(request, used, *_SIGNED)
        door = Door(self._door.address, self._door.clock)

        def ask() -> ApiKeyCaller:
            validity = Validity.of(Parameters(request.params))
            return performing.caller_of(request, validity, security, door, now=microseconds_now())

        return await performing.at_the_door(ask)
