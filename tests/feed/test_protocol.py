"""Reading what clients send: everything that is not exactly right has a code and a sentence."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.feed import protocol
from orders.feed.protocol import Auth, Channel, Ping, Subscribe, Topic, Unsubscribe
from tradeplatform.common.errors import Code, Refusal


def read(message: Any) -> protocol.Request:
    return protocol.parse(protocol.decode(json.dumps(message)))


@pytest.mark.parametrize(
    ("message", "request_"),
    [
        ({"op": "ping"}, Ping()),
        ({"op": "ping", "id": None}, Ping()),
        ({"op": "auth", "token": "t"}, Auth("t")),
        *[
            (
                {"op": "subscribe", "channel": name, "symbol": "BTCUSDT"},
                Subscribe(Topic(Channel(name), "BTCUSDT")),
            )
            for name in ("book", "trades", "ticker", "status")
        ],
        *[
            (
                {"op": "unsubscribe", "channel": name, "account": 7},
                Unsubscribe(Topic(Channel(name), account=7)),
            )
            for name in ("orders", "fills", "balances")
        ],
    ],
)
def test_what_is_understood(message: dict[str, Any], request_: protocol.Request) -> None:
    assert read(message) == request_


@pytest.mark.parametrize(
    ("message", "code", "context"),
    [
        ([], Code.MALFORMED_JSON, {}),
        ("ping", Code.MALFORMED_JSON, {}),
        (7, Code.MALFORMED_JSON, {}),
        (None, Code.MALFORMED_JSON, {}),
        ({}, Code.UNKNOWN_OPERATION, {"op": "None"}),
        ({"op": "buy"}, Code.UNKNOWN_OPERATION, {"op": "buy"}),
        ({"op": ["subscribe"]}, Code.UNKNOWN_OPERATION, {"op": "['subscribe']"}),
        ({"op": "x" * 100}, Code.UNKNOWN_OPERATION, {"op": "x" * 32}),
        ({"op": "subscribe"}, Code.UNKNOWN_CHANNEL, {"channel": "None"}),
        ({"op": "subscribe", "channel": "depth"}, Code.UNKNOWN_CHANNEL, {"channel": "depth"}),
        ({"op": "subscribe", "channel": {"a": 1}}, Code.UNKNOWN_CHANNEL, {"channel": "{'a': 1}"}),
        ({"op": "subscribe", "channel": "book"}, Code.INVALID_FIELD, {"field": "symbol"}),
        ({"op": "subscribe", "channel": "book", "symbol": ""}, Code.INVALID_FIELD, {"field": "symbol"}),
        ({"op": "subscribe", "channel": "book", "symbol": "B" * 21}, Code.INVALID_FIELD, {"field": "symbol"}),
        ({"op": "subscribe", "channel": "book", "symbol": 5}, Code.INVALID_FIELD, {"field": "symbol"}),
        ({"op": "subscribe", "channel": "book", "account": 5}, Code.INVALID_FIELD, {"field": "account"}),
        ({"op": "subscribe", "channel": "orders"}, Code.INVALID_FIELD, {"field": "account"}),
        ({"op": "subscribe", "channel": "orders", "account": "7"}, Code.INVALID_FIELD, {"field": "account"}),
        ({"op": "subscribe", "channel": "orders", "account": True}, Code.INVALID_FIELD, {"field": "account"}),
        ({"op": "subscribe", "channel": "orders", "account": 0}, Code.INVALID_FIELD, {"field": "account"}),
        (
            {"op": "subscribe", "channel": "orders", "account": 2**63},
            Code.INVALID_FIELD,
            {"field": "account"},
        ),
        ({"op": "subscribe", "channel": "orders", "account": 1.5}, Code.INVALID_FIELD, {"field": "account"}),
        ({"op": "ping", "when": "now"}, Code.INVALID_FIELD, {"field": "when"}),
        ({"op": "auth"}, Code.INVALID_FIELD, {"field": "token"}),
        ({"op": "auth", "token": "x" * 5000}, Code.INVALID_FIELD, {"field": "token"}),
    ],
)
def test_what_is_refused(message: Any, code: Code, context: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        read(message)
    assert (refused.value.code, refused.value.context) == (code, context)


@pytest.mark.parametrize("text", ["", "{", "nonsense", '{"op": NaN}', '{"a": 1} {"b": 2}', "[" * 2_000, "\0"])
def test_what_is_not_json(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        protocol.decode(text)
    assert refused.value.code == Code.MALFORMED_JSON


@pytest.mark.parametrize(
    "text",
    [
        '{"op": "cancel", "order": 1, "order": 2}',
        '{"op": "place", "order": {"quantity": "1", "quantity": "2"}}',
        '{"op": "place_batch", "orders": [{"price": "1", "price": "1"}]}',
    ],
)
def test_a_key_given_twice_is_refused_wherever_it_stands(text: str) -> None:
    with pytest.raises(Refusal, match="a key is given twice") as refused:
        protocol.decode(text)
    assert refused.value.code == Code.MALFORMED_JSON


def test_a_number_is_read_exactly_and_without_an_exponent() -> None:
    assert protocol.decode('{"op": 0.1000000000000000055}') == {"op": Decimal("0.1000000000000000055")}
    with pytest.raises(Refusal) as refused:
        protocol.decode('{"op": 1e5}')
    assert refused.value.code == Code.INVALID_NUMBER


@pytest.mark.parametrize("given_id", [None, 0, -1, 2**63 - 1, "", "x" * 64, "\u202eabc"])
def test_an_id_is_repeated(given_id: object) -> None:
    assert protocol.request_id({"id": given_id}) == given_id


@pytest.mark.parametrize("given_id", [1.5, True, "x" * 65, [], {}, 2**63])
def test_an_id_of_another_kind_is_refused(given_id: object) -> None:
    with pytest.raises(Refusal) as refused:
        protocol.request_id({"id": given_id})
    assert (refused.value.code, refused.value.context) == (Code.INVALID_FIELD, {"field": "id"})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["op", "channel"]), inner)
        ),
    )
)
def test_whatever_is_sent_is_understood_or_refused(message: Any) -> None:
    with suppress(Refusal):
        found = protocol.decode(json.dumps(message))
        protocol.request_id(found)
        protocol.parse(found)


def test_messages_have_the_documented_shape() -> None:
    assert json.loads(protocol.answer("pong", "a", time="t")) == {"type": "pong", "time": "t", "id": "a"}
    assert json.loads(protocol.error(Refusal(Code.THROTTLED, "Slowly.", limit=1), 5)) == {
        "type": "error",
        "code": "throttled",
        "message": "Slowly.",
        "context": {"limit": 1},
        "id": 5,
    }
    assert json.loads(protocol.closing(protocol.TOO_SLOW)) == {
        "type": "closing",
        "code": 4408,
        "reason": "too_slow",
        "message": "You read too slowly: connect again.",
    }
    welcome = json.loads(protocol.welcome())
    assert (welcome["type"], welcome["version"], welcome["heartbeat_seconds"]) == ("welcome", 1, 5)
    assert welcome["limits"] == {
        "subscriptions": 64,
        "messages_per_second": 20,
        "message_burst": 60,
        "order_messages_per_second": 100,
        "order_message_burst": 200,
        "message_bytes": 65_536,
        "errors": 10,
    }


def test_close_codes_are_the_documented_ones() -> None:
    closings = [value for value in vars(protocol).values() if isinstance(value, protocol.Closing)]
    assert {(int(closing.code), closing.reason) for closing in closings} == {
        (4400, "too_many_errors"),
        (4401, "auth_required"),
        (4401, "auth_expired"),
        (4401, "access_ended"),
        (4408, "too_slow"),
        (4429, "too_many_messages"),
        (1009, "message_too_large"),
        (1012, "server_stopping"),
        (1013, "too_many_sockets"),
    }
