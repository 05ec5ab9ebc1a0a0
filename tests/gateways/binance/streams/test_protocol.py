"""What streams are called, what is understood, and what is refused with which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orders.market.intervals import Interval
from tradeplatform.gateways.binance.streams import protocol
from tradeplatform.gateways.binance.streams.names import Kind, StreamName, parse
from tradeplatform.gateways.binance.streams.protocol import Method, Request, StreamError

INVALID = "Invalid request: "


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("btcusdt@depth", {"kind": Kind.DIFF, "seconds": 1.0}),
        ("btcusdt@depth@100ms", {"kind": Kind.DIFF, "seconds": 0.1}),
        ("btcusdt@depth@1000ms", {"kind": Kind.DIFF, "seconds": 1.0}),
        ("btcusdt@depth5", {"kind": Kind.PARTIAL, "levels": 5, "seconds": 1.0}),
        ("btcusdt@depth10@100ms", {"kind": Kind.PARTIAL, "levels": 10, "seconds": 0.1}),
        ("btcusdt@depth20@100ms", {"kind": Kind.PARTIAL, "levels": 20, "seconds": 0.1}),
        ("btcusdt@trade", {"kind": Kind.TRADE}),
        ("btcusdt@aggTrade", {"kind": Kind.AGGREGATE}),
        ("btcusdt@bookTicker", {"kind": Kind.BEST}),
        ("btcusdt@ticker", {"kind": Kind.TICKER}),
        ("btcusdt@miniTicker", {"kind": Kind.MINI}),
        ("btcusdt@avgPrice", {"kind": Kind.AVERAGE}),
        ("btcusdt@kline_1m", {"kind": Kind.KLINE, "interval": Interval.MINUTE}),
        ("btcusdt@kline_1M", {"kind": Kind.KLINE, "interval": Interval.MONTH}),
    ],
)
def test_names_of_one_instrument(text: str, meant: dict[str, Any]) -> None:
    assert parse(text) == StreamName(text, symbol="BTCUSDT", **meant)


def test_names_of_all_instruments() -> None:
    assert parse("!miniTicker@arr") == StreamName("!miniTicker@arr", Kind.MINI)
    assert parse("!ticker@arr") == StreamName("!ticker@arr", Kind.TICKER)
    assert parse("btc-06f8.x_1@trade").symbol == "BTC-06F8.X_1"


@pytest.mark.parametrize(
    "text",
    [
        *("", "btcusdt", "@trade", "BTCUSDT@trade", "btcusdt@Trade", "btcusdt@depth7", "btcusdt@depth@250ms"),
        *("btcusdt@kline_7m", "btcusdt@kline_", "btcusdt@trade@100ms", "btcusdt@trade\n", "!bookTicker@arr"),
        *('b"t@trade', "x" * 21 + "@trade", "btcusdt@depth5@100ms@100ms", "btcusdt@partial", "bücher@trade"),
    ],
)
def test_nothing_else_is_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="no stream is called"):
        parse(text)


def ask(**message: Any) -> Request:
    return protocol.parse(json.dumps(message))


def test_what_is_understood() -> None:
    assert ask(method="SUBSCRIBE", params=["a@trade", "b@trade", "a@trade"], id=1) == Request(
        Method.SUBSCRIBE, 1, streams=("a@trade", "b@trade")
    )
    assert ask(method="UNSUBSCRIBE", params=["a@trade"], id="x") == Request(
        Method.UNSUBSCRIBE, "x", streams=("a@trade",)
    )
    assert ask(method="LIST_SUBSCRIPTIONS") == Request(Method.LIST_SUBSCRIPTIONS, None)
    assert ask(method="GET_PROPERTY", params=["combined"], id=2) == Request(Method.GET_PROPERTY, 2)
    assert ask(method="SET_PROPERTY", params=["combined", True], id=3) == Request(
        Method.SET_PROPERTY, 3, combined=True
    )


METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


@pytest.mark.parametrize(
    ("text", "code", "msg"),
    [
        ("", 3, "Invalid JSON: expected value at line 1 column 1"),
        ('{"method": }', 3, "Invalid JSON: expected value at line 1 column 12"),
        ("[]", 2, INVALID + "expected an object"),
        ('{"id": 1, "id": 2, "method": "LIST_SUBSCRIPTIONS"}', 2, INVALID + "duplicate field"),
        ("[" * 5_000, 3, "Invalid JSON: it is nested too deeply"),
        ('{"id": 1}', 2, INVALID + "missing field `method` at line 1 column 9"),
        (
            '{"method": "SUSCRIBE"}',
            2,
            INVALID + f"unknown variant `SUSCRIBE`, expected one of {METHODS} at line 1 column 10",
        ),
        ('{"method": "SUBSCRIBE", "id": 1.5}', 2, INVALID + "request ID must be an unsigned integer"),
        ('{"method": "SUBSCRIBE", "param": []}', 2, INVALID + "too many parameters"),
        ('{"method": "SUBSCRIBE", "params": "a@trade"}', 2, INVALID + "params must be a list"),
        ('{"method": "SUBSCRIBE", "params": [7]}', 2, INVALID + "stream name must be a string"),
        ('{"method": "LIST_SUBSCRIPTIONS", "params": ["a"]}', 2, INVALID + "too many parameters"),
        ('{"method": "GET_PROPERTY"}', 2, INVALID + "property name must be a string"),
        ('{"method": "GET_PROPERTY", "params": [1]}', 2, INVALID + "property name must be a string"),
        ('{"method": "GET_PROPERTY", "params": ["combined", true]}', 2, INVALID + "too many parameters"),
        ('{"method": "GET_PROPERTY", "params": ["speed"]}', 0, "Unknown property"),
        ('{"method": "SET_PROPERTY", "params": ["speed", true]}', 0, "Unknown property"),
        ('{"method": "SET_PROPERTY", "params": ["combined"]}', 1, "Invalid value type: expected Boolean"),
        ('{"method": "SET_PROPERTY", "params": ["combined", 1]}', 1, "Invalid value type: expected Boolean"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, code: int, msg: str) -> None:
    with pytest.raises(StreamError) as refused:
        protocol.parse(text)
    assert (refused.value.code, refused.value.msg) == (code, msg)


def test_a_refusal_repeats_the_id() -> None:
    with pytest.raises(StreamError) as refused:
        ask(method="GET_PROPERTY", params=["speed"], id=7)
    assert json.loads(protocol.refusal(refused.value)) == {
        "error": {"code": 0, "msg": "Unknown property"},
        "id": 7,
    }
