"""The feed as it is usually written first, to be measured against ours: an ASGI application with four paths.

- /naive/group: Channels' own way, one `group_send` a message, each consumer encodes what it receives;
- /naive/pubsub: the same, over Valkey as with several processes, by channels_redis' RedisPubSubChannelLayer;
- /naive/encode: one subscription for the process; each socket encodes each message for itself;
- /naive/subscribe: each socket has a subscription of its own, and decodes and encodes for itself.

Neither keeps a book, bounds a queue or notices a loss.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.asyncio import Redis

_shared: dict[str, _Reader] = {}


class _Reader:
    """A subscription, and the sockets it is read for."""

    def __init__(self, channel: str) -> None:
        self.sockets: set[Any] = set()
        self.subscribed = asyncio.Event()
        self.task = asyncio.create_task(self._run(channel))

    async def _run(self, channel: str) -> None:
        async with Redis.from_url(os.environ["REDIS_URL"]).pubsub() as subscription:
            await subscription.subscribe(channel)
            self.subscribed.set()
            async for message in subscription.listen():
                if message["type"] == "message":
                    frame = json.loads(message["data"])
                    for send in list(self.sockets):
                        await send({"type": "websocket.send", "text": json.dumps(_delta(frame))})


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve a socket: `?SYMBOL` says of what."""
    if scope["type"] != "websocket":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    await receive()
    await send({"type": "websocket.accept"})
    channel = "md:" + scope["query_string"].decode()
    if layer := _LAYERS.get(scope["path"]):
        await _in_group(layer(), channel, receive, send)
        return
    is_shared = scope["path"] == "/naive/encode"
    if is_shared and channel not in _shared:
        _shared[channel] = _Reader(channel)
    reader = _shared[channel] if is_shared else _Reader(channel)
    await reader.subscribed.wait()
    reader.sockets.add(send)
    await send({"type": "websocket.send", "text": '{"type":"book","action":"snapshot"}'})
    while (await receive())["type"] != "websocket.disconnect":
        pass
    reader.sockets.discard(send)
    if not is_shared:
        reader.task.cancel()


@cache
def _here() -> BaseChannelLayer:
    return InMemoryChannelLayer()


@cache
def _by_valkey() -> BaseChannelLayer:
    layer: BaseChannelLayer = RedisPubSubChannelLayer(hosts=[os.environ["REDIS_URL"]])
    return layer


_LAYERS: dict[str, Callable[[], BaseChannelLayer]] = {"/naive/group": _here, "/naive/pubsub": _by_valkey}
_group_reader: list[_Reader] = []


async def _in_group(layer: BaseChannelLayer, channel: str, receive: Any, send: Any) -> None:
    """Be a member of a group, to which one reader sends."""

    async def tell_group(message: dict[str, Any]) -> None:
        await layer.group_send("book", {"type": "book", "frame": message["text"]})

    if not _group_reader:
        _group_reader.append(_Reader(channel))
        _group_reader[0].sockets.add(tell_group)
    name = await layer.new_channel()
    await layer.group_add("book", name)
    await _group_reader[0].subscribed.wait()
    await send({"type": "websocket.send", "text": '{"type":"book","action":"snapshot"}'})

    async def consume() -> None:
        while True:
            message = await layer.receive(name)
            await send({"type": "websocket.send", "text": json.dumps(json.loads(message["frame"]))})

    consumer = asyncio.create_task(consume())
    while (await receive())["type"] != "websocket.disconnect":
        pass
    consumer.cancel()


def _delta(frame: dict[str, Any]) -> dict[str, Any]:
    names = ("symbol", "first_seq", "seq", "time", "bids", "asks", "checksum")
    return {"type": "book", "action": "delta"} | {name: frame[name] for name in names}
