"""Order entry over WebSocket, a socket for each account, opened with its key; transfers go over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import orjson
import websockets

from tests.load.actions import Action, Amend, Cancel, Holder, Place, Transfer
from tests.load.doors import Answer
from tests.load.http_door import HttpDoor
from tests.load.wire_words import changes_of, order_of, signed


class SocketDoor:
    """An AsyncDoor. The platform bounds what one socket may send in a second: many accounts, many sockets."""

    def __init__(self, url: str, http_url: str, holders: Sequence[Holder]) -> None:
        """Nothing is connected yet."""
        self._url, self._holders = url, holders
        self._http = HttpDoor(http_url, 4)
        self._sockets: dict[int, _Socket] = {}

    async def open(self) -> None:
        """Connect and log on with each key."""
        await self._http.open()
        for holder in self._holders:
            self._sockets[holder.account_id] = socket = _Socket(await websockets.connect(self._url))
            stamp, nonce, signature = signed(holder, "GET", "/ws/v1")
            keyed = {"key": holder.key, "timestamp": stamp, "nonce": nonce, "signature": signature}
            await socket.ask({"op": "auth", **keyed})

    async def do(self, action: Action) -> Answer:
        """As promised by AsyncDoor."""
        if isinstance(action, Transfer):
            return await self._http.do(action)
        said = await self._sockets[action.holder.account_id].ask(_message_of(action))
        if said["type"] == "error":
            return Answer(refused=str(said["code"]))
        return Answer(int(said["order"]["id"]) if isinstance(action, Place) else 0)

    async def close(self) -> None:
        """Disconnect."""
        for socket in self._sockets.values():
            await socket.close()
        await self._http.close()


class _Socket:
    """Requests by their ids, so that answers find who asked."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """The answer to a message; one of type error and code disconnected when the socket ends first."""
        number = next(self._numbers)
        self._asked[number] = answer = asyncio.get_running_loop().create_future()
        try:
            await self._connection.send(orjson.dumps({**message, "id": number}).decode())
        except websockets.ConnectionClosed:
            self._end()
        said: dict[str, Any] = await answer
        return said

    async def close(self) -> None:
        """Disconnect."""
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._connection.close()

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                message = orjson.loads(text)
                answer = self._asked.pop(message.get("id"), None)
                if answer is not None:
                    answer.set_result(message)
        finally:
            self._end()

    def _end(self) -> None:
        for answer in self._asked.values():
            answer.set_result({"type": "error", "code": "disconnected"})
        self._asked.clear()


def _message_of(action: Place | Cancel | Amend) -> dict[str, Any]:
    match action:
        case Place():
            return {"op": "place", "order": order_of(action)}
        case Cancel():
            return {"op": "cancel", "order": action.order_id}
        case Amend():
            return {"op": "amend", "order": action.order_id, **changes_of(action)}
