"""What is understood, what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateways.kraken.client import read
from tradeplatform.common.errors import Refusal
from tradeplatform.gateways.kraken import protocol
from tradeplatform.gateways.kraken.protocol import Ping, Subscribe, Unsubscribe

FIELD = "Field is missing, unknown or of a wrong type: "


def book(**params: Any) -> dict[str, Any]:
    return {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], **params}}


def test_what_is_left_out_is_ten_deep_with_a_snapshot() -> None:
    assert protocol.parse(book()) == Subscribe(("BTC/USD",), 10, snapshot=True)


def test_all_is_said() -> None:
    asked = book(symbol=["BTC/USD", "ETH/USD", "BTC/USD"], depth=1000, snapshot=False) | {"req_id": 7}
    assert protocol.parse(asked) == Subscribe(("BTC/USD", "ETH/USD"), 1000, snapshot=False)
    assert protocol.request_id(asked) == 7
    assert protocol.parse(asked | {"method": "unsubscribe"}) == Unsubscribe(("BTC/USD", "ETH/USD"))
    assert protocol.parse({"method": "ping"}) == Ping()


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({}, "Unsupported method"),
        ({"method": "add_order", "params": {}}, "Unsupported method"),
        ({"method": ["subscribe"]}, "Unsupported method"),
        ({"method": "subscribe"}, FIELD + "params"),
        (book(channel="ticker"), "Unsupported channel: this server has the channel book"),
        (book(channel=["book"]), "Unsupported channel: this server has the channel book"),
        (book(symbol="BTC/USD"), FIELD + "symbol"),
        (book(symbol=[]), FIELD + "symbol"),
        (book(symbol=[7]), FIELD + "symbol"),
        (book(symbol=["x" * 22]), FIELD + "symbol"),
        (book(symbol=["A/B"] * 65), FIELD + "symbol"),
        (book(depth=11), "Subscription depth not supported"),
        (book(depth="10"), "Subscription depth not supported"),
        (book(depth=10.0), "Subscription depth not supported"),
        (book(depth=True), "Subscription depth not supported"),
        (book(depth=[10]), "Subscription depth not supported"),
        (book(snapshot="yes"), FIELD + "snapshot"),
        (book(snapshott=False), FIELD + "snapshott"),
        (book() | {"reqid": 7}, FIELD + "reqid"),
    ],
)
def test_what_is_not_understood_is_refused(message: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal) as refused:
        protocol.parse(message)
    assert refused.value.message == sentence


@pytest.mark.parametrize("text", [None, "", "{", "[]", "7", '{"a": NaN}', '{"a": 1, "a": 1}', "[" * 5000])
def test_what_is_no_object_is_refused(text: str | None) -> None:
    with pytest.raises(Refusal, match="Malformed request"):
        protocol.decode(text)


@pytest.mark.parametrize("number", ["7", 7.5, True, 2**63, [7]])
def test_a_request_number_is_a_whole_number(number: Any) -> None:
    with pytest.raises(Refusal):
        protocol.request_id({"req_id": number})


def test_an_error_repeats_what_it_is_about() -> None:
    text = protocol.error("subscribe", 7, time_in="t", sentence="No", name="A/B")
    assert read(text) | {"time_out": ""} == {
        "method": "subscribe",
        "error": "No",
        "success": False,
        "symbol": "A/B",
        "req_id": 7,
        "time_in": "t",
        "time_out": "",
    }
    strange = read(protocol.error({"a": 1}, None, time_in="t", sentence="No"))
    assert strange.keys() == {"error", "success", "time_in", "time_out"}
