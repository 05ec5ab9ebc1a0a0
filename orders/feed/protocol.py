"""What clients may say on `/ws/v1`, and the messages they are answered with. docs/feed.md is the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

import orjson

from tradeplatform.common import json_codec
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import rfc3339

VERSION = 1
MAX_MESSAGE_BYTES = 65_536
MAX_SUBSCRIPTIONS = 64
MESSAGES_PER_SECOND = 20
MESSAGE_BURST = 60
ORDER_MESSAGES_PER_SECOND = 100
ORDER_MESSAGE_BURST = 200
ERROR_BURST = 10
SECONDS_TO_FORGIVE_AN_ERROR = 10
HEARTBEAT_SECONDS = 5

_MAX_ID_LENGTH = 64
_MAX_SYMBOL_LENGTH = 20
_MAX_TOKEN_LENGTH = 4_096
_ECHO = 32
_I64_MAX = 2**63 - 1


class Channel(StrEnum):
    """What can be subscribed to."""

    BOOK = "book"
    TRADES = "trades"
    TICKER = "ticker"
    STATUS = "status"
    ORDERS = "orders"
    FILLS = "fills"
    BALANCES = "balances"
    ALERTS = "alerts"
    PRIVATE = "private"


PRIVATE = frozenset({Channel.ORDERS, Channel.FILLS, Channel.BALANCES, Channel.ALERTS, Channel.PRIVATE})


class OrderOp(StrEnum):
    """What can be asked of orders; what each takes is read in orders/feed/entry.py."""

    PLACE = "place"
    PLACE_BATCH = "place_batch"
    PLACE_LIST = "place_list"
    AMEND = "amend"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"


class CloseCode(IntEnum):
    """WebSocket close codes; 4xxx are ours."""

    GOING_AWAY = 1001
    POLICY = 1008
    TOO_LARGE = 1009
    RESTART = 1012
    TRY_LATER = 1013
    BAD_MESSAGES = 4400
    UNAUTHORISED = 4401
    TOO_SLOW = 4408
    TOO_MANY_MESSAGES = 4429


@dataclass(frozen=True, slots=True)
class Closing:
    """Why the server closes a socket: a code for the protocol, a word for programs, a sentence for people."""

    code: CloseCode
    reason: str
    message: str


TOO_SLOW = Closing(CloseCode.TOO_SLOW, "too_slow", "You read too slowly: connect again.")
TOO_LARGE = Closing(
    CloseCode.TOO_LARGE, "message_too_large", f"A message may have {MAX_MESSAGE_BYTES} bytes at most."
)
TOO_MANY_SOCKETS = Closing(CloseCode.TRY_LATER, "too_many_sockets", "This server is full: try again later.")
STOPPING = Closing(
    CloseCode.RESTART, "server_stopping", "This server is stopping: connect again in a moment."
)
TOO_MANY_ERRORS = Closing(CloseCode.BAD_MESSAGES, "too_many_errors", "Too many messages were refused.")
TOO_MANY_MESSAGES = Closing(
    CloseCode.TOO_MANY_MESSAGES, "too_many_messages", f"Send at most {MESSAGES_PER_SECOND} messages a second."
)
AUTH_REQUIRED = Closing(CloseCode.UNAUTHORISED, "auth_required", "Private channels need a valid token.")
AUTH_EXPIRED = Closing(CloseCode.UNAUTHORISED, "auth_expired", "Your token has expired: log in again.")
ACCESS_ENDED = Closing(CloseCode.UNAUTHORISED, "access_ended", "Your access has ended: log in again.")

# What a socket is closed with when its last forgiven error was of this kind.
CLOSING_OF = {Code.THROTTLED: TOO_MANY_MESSAGES, Code.NOT_AUTHENTICATED: AUTH_REQUIRED}

RequestId = str | int | None


@dataclass(frozen=True, slots=True)
class Topic:
    """A channel of a symbol or of an account."""

    channel: Channel
    symbol: str = ""
    account: int = 0

    def fields(self) -> dict[str, Any]:
        """How it is written in messages."""
        if self.channel in PRIVATE:
            return {"channel": self.channel.value, "account": self.account}
        return {"channel": self.channel.value, "symbol": self.symbol}


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Send me this from now on; of the numbered events, those from `start` on as well."""

    topic: Topic
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Send me this no more."""

    topic: Topic


@dataclass(frozen=True, slots=True)
class Auth:
    """This is who I am, by an access token."""

    token: str


@dataclass(frozen=True, slots=True)
class KeyAuth:
    """This is who I am, by an API key that signed so."""

    key: str
    timestamp: str
    nonce: str
    signature: str


@dataclass(frozen=True, slots=True)
class Enter:
    """Do this to my orders."""

    op: OrderOp
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CancelOnDisconnect:
    """Cancel the account's orders once no socket that said so is open; or do not."""

    account: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class Ping:
    """Say that you are there."""


Request = Subscribe | Unsubscribe | Auth | KeyAuth | Enter | CancelOnDisconnect | Ping


def decode(text: str) -> dict[str, Any]:
    """The JSON object in a message, read as a body over HTTP is.

    Raises Refusal malformed_json, invalid_number.
    """
    found = json_codec.decode(text.encode(), what="message")
    if not isinstance(found, dict):
        raise Refusal(Code.MALFORMED_JSON, "The message must be a JSON object.")
    return found


def request_id(message: Mapping[str, Any]) -> RequestId:
    """The id to repeat in the answer. Raises Refusal invalid_field."""
    found = message.get("id")
    if found is None or (isinstance(found, str) and len(found) <= _MAX_ID_LENGTH):
        return found
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) <= _I64_MAX:
        return found
    sentence = f"id must be a whole number or text of up to {_MAX_ID_LENGTH} characters."
    raise Refusal(Code.INVALID_FIELD, sentence, field="id")


def parse(message: Mapping[str, Any]) -> Request:
    """What the message asks for. Raises Refusal."""
    op = message.get("op")
    if op == "subscribe":
        return _subscribe(message)
    if op == "unsubscribe":
        return Unsubscribe(_topic(message))
    if is_of_orders(message):
        return Enter(
            OrderOp(str(op)), {name: value for name, value in message.items() if name not in {"op", "id"}}
        )
    if op == "auth" and "key" in message:
        return _key_auth(message)
    if op == "auth":
        _only(message, "token")
        return Auth(_text(message, "token", _MAX_TOKEN_LENGTH))
    if op == "cancel_on_disconnect":
        _only(message, "account", "enabled")
        return CancelOnDisconnect(_account(message), _flag(message, "enabled"))
    if op == "ping":
        _only(message)
        return Ping()
    others = ", ".join(OrderOp)
    sentence = f"op must be one of: subscribe, unsubscribe, auth, cancel_on_disconnect, ping, {others}."
    raise Refusal(Code.UNKNOWN_OPERATION, sentence, op=str(op)[:_ECHO])


def is_of_orders(message: Mapping[str, Any]) -> bool:
    """Whether it counts against the pace of order messages."""
    op = message.get("op")
    return isinstance(op, str) and op in set(OrderOp)


def _key_auth(message: Mapping[str, Any]) -> KeyAuth:
    _only(message, "key", "timestamp", "nonce", "signature")
    nonce = _text(message, "nonce", _MAX_ID_LENGTH) if "nonce" in message else ""
    return KeyAuth(
        _text(message, "key", _MAX_ID_LENGTH),
        _text(message, "timestamp", _MAX_ID_LENGTH),
        nonce,
        _text(message, "signature", _MAX_TOKEN_LENGTH),
    )


def _subscribe(message: Mapping[str, Any]) -> Subscribe:
    if message.get("channel") != Channel.PRIVATE or "from" not in message:
        return Subscribe(_topic(message))
    start = message["from"]
    if not isinstance(start, int) or isinstance(start, bool) or not 0 < start <= _I64_MAX:
        raise Refusal(Code.INVALID_FIELD, "from must be the number of an event, 1 or above.", field="from")
    return Subscribe(_topic({name: value for name, value in message.items() if name != "from"}), start)


def _topic(message: Mapping[str, Any]) -> Topic:
    name = message.get("channel")
    if not isinstance(name, str) or name not in list(Channel):
        sentence = f"channel must be one of: {', '.join(Channel)}."
        raise Refusal(Code.UNKNOWN_CHANNEL, sentence, channel=str(name)[:_ECHO])
    channel = Channel(name)
    if channel not in PRIVATE:
        _only(message, "channel", "symbol")
        return Topic(channel, symbol=_text(message, "symbol", _MAX_SYMBOL_LENGTH))
    _only(message, "channel", "account")
    return Topic(channel, account=_account(message))


def _account(message: Mapping[str, Any]) -> int:
    account = message.get("account")
    if not isinstance(account, int) or isinstance(account, bool) or not 0 < account <= _I64_MAX:
        sentence = "account must be the number of an account of yours."
        raise Refusal(Code.INVALID_FIELD, sentence, field="account")
    return account


def _flag(message: Mapping[str, Any], name: str) -> bool:
    found = message.get(name)
    if not isinstance(found, bool):
        raise Refusal(Code.INVALID_FIELD, f"{name} must be true or false.", field=name)
    return found


def _only(message: Mapping[str, Any], *names: str) -> None:
    """Refuse fields that do not belong: a misspelt one must not pass for one left out."""
    for name in message:
        if name not in names and name not in {"op", "id"}:
            raise Refusal(Code.INVALID_FIELD, f"{message['op']} has no such field.", field=name[:_ECHO])


def _text(message: Mapping[str, Any], name: str, longest: int) -> str:
    found = message.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= longest:
        sentence = f"{name} must be text of 1 to {longest} characters."
        raise Refusal(Code.INVALID_FIELD, sentence, field=name)
    return found


def encode(message: Mapping[str, Any]) -> str:
    """A message as it goes out."""
    return orjson.dumps(message).decode()


def now_text() -> str:
    """This moment, as messages say it."""
    return rfc3339(datetime.now(UTC))


def welcome() -> str:
    """The first message: what the client has to know to behave."""
    return encode(
        {
            "type": "welcome",
            "version": VERSION,
            "time": now_text(),
            "heartbeat_seconds": HEARTBEAT_SECONDS,
            "limits": {
                "subscriptions": MAX_SUBSCRIPTIONS,
                "messages_per_second": MESSAGES_PER_SECOND,
                "message_burst": MESSAGE_BURST,
                "order_messages_per_second": ORDER_MESSAGES_PER_SECOND,
                "order_message_burst": ORDER_MESSAGE_BURST,
                "message_bytes": MAX_MESSAGE_BYTES,
                "errors": ERROR_BURST,
            },
        }
    )


def answer(kind: str, request: RequestId, **fields: Any) -> str:
    """The answer to a message that was understood."""
    return encode({"type": kind, **fields, "id": request})


def error(refusal: Refusal, request: RequestId) -> str:
    """The answer to a message that was refused."""
    return encode(
        {
            "type": "error",
            "code": refusal.code.value,
            "message": refusal.message,
            "context": refusal.context,
            "id": request,
        }
    )


def heartbeat(*, live: bool) -> str:
    """Sign of life; `live` says whether the server itself hears from the market."""
    return encode({"type": "heartbeat", "time": now_text(), "live": live})


def closing(why: Closing) -> str:
    """The last message of a socket that the server closes."""
    return encode({"type": "closing", "code": int(why.code), "reason": why.reason, "message": why.message})
