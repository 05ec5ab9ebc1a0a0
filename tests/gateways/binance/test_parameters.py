"""Parameters: where they may stand, how they are read, and the exact words of each refusal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from orders.market.intervals import Interval
from tradeplatform.gateways.binance import errors
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.parameters import Parameters, read_pairs, window

NO_LIST = "JSON sent for parameter 'symbols' is not valid"
NO_NUMBER = (
    "Illegal characters found in parameter 'quantity'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'."
)


def refusal(read: Callable[[], Any]) -> tuple[int, str]:
    """(code, msg) of what a reader raises."""
    with pytest.raises(BinanceError) as caught:
        read()
    return caught.value.code, caught.value.msg


class TestPairs:
    def test_may_stand_in_the_query_or_the_body_or_both(self) -> None:
        assert read_pairs("symbol=A", b"side=BUY") == {"symbol": "A", "side": "BUY"}

    def test_the_query_wins(self) -> None:
        assert read_pairs("symbol=A", b"symbol=B&side=BUY") == {"symbol": "A", "side": "BUY"}

    def test_are_decoded_as_forms_are(self) -> None:
        assert read_pairs("symbols=%5B%22A%22%2C+%22B%22%5D", b"") == {"symbols": '["A", "B"]'}

    @pytest.mark.parametrize(
        ("query", "body", "code"),
        [
            ("symbol=A&symbol=B", b"", -1101),
            ("", b"symbol=A&symbol=B", -1101),
            ("symbol=%ff", b"", -1100),
            ("", b"\xff=1", -1100),
            ("&".join(f"p{number}=1" for number in range(101)), b"", -1101),
        ],
    )
    def test_that_cannot_be_told_apart_are_refused(self, query: str, body: bytes, code: int) -> None:
        assert refusal(lambda: read_pairs(query, body))[0] == code


@pytest.mark.parametrize(
    ("sent", "read", "code", "msg"),
    [
        (
            {},
            lambda sent: sent.symbol(),
            -1102,
            "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
        ),
        ({"symbol": ""}, lambda sent: sent.symbol(), -1105, "Parameter 'symbol' was empty."),
        (
            {"symbol": "btc/usdt"},
            lambda sent: sent.symbol(),
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.",
        ),
        (
            {"symbols": "[]"},
            lambda sent: sent.symbols(),
            -1135,
            "JSON sent for parameter 'symbols' is not valid",
        ),
        (
            {"symbols": "A,B"},
            lambda sent: sent.symbols(),
            -1135,
            "JSON sent for parameter 'symbols' is not valid",
        ),
        (
            {"symbols": '["A","A"]'},
            lambda sent: sent.symbols(),
            -1151,
            "Symbol is present multiple times in the list.",
        ),
        (
            {"symbol": "A", "symbols": '["B"]'},
            lambda sent: sent.symbols(),
            -1128,
            "Combination of optional parameters invalid.",
        ),
        (
            {"orderId": "-1"},
            lambda sent: sent.integer("orderId"),
            -1100,
            "Illegal characters found in parameter 'orderId'; legal range is '^[0-9]{1,20}$'.",
        ),
        (
            {"orderId": "9223372036854775808"},
            lambda sent: sent.integer("orderId"),
            -1108,
            "Parameter 'orderId' overflowed.",
        ),
        (
            {"quantity": "1e3"},
            lambda sent: sent.decimal("quantity"),
            -1100,
            NO_NUMBER,
        ),
        (
            {"quantity": "0.00"},
            lambda sent: sent.decimal("quantity"),
            -1102,
            "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed.",
        ),
        (
            {"quantity": "0.123456789"},
            lambda sent: sent.decimal("quantity", digits=8),
            -1111,
            "Parameter 'quantity' has too much precision.",
        ),
        (
            {"limit": "0"},
            lambda sent: sent.limit(default=5, most=9),
            -1130,
            "Data sent for parameter 'limit' is not valid.",
        ),
        (
            {"omitZeroBalances": "yes"},
            lambda sent: sent.flag("omitZeroBalances"),
            -1130,
            "Data sent for parameter 'omitZeroBalances' is not valid.",
        ),
        (
            {"interval": "7m"},
            lambda sent: sent.word("interval", Interval, errors.bad_interval()),
            -1120,
            "Invalid interval.",
        ),
        (
            {"startTime": "4000000000000000"},
            lambda sent: sent.moment("startTime"),
            -1130,
            "Data sent for parameter 'startTime' is not valid.",
        ),
        (
            {"startTime": "1700000000000", "endTime": "1700086400001"},
            lambda sent: window(sent, longest=timedelta(hours=24)),
            -1127,
            "More than 24 hours between startTime and endTime.",
        ),
        (
            {"a": "1", "b": "2", "c": "3"},
            lambda sent: sent.check_known({"a", "b"}),
            -1104,
            "Not all sent parameters were read; read '2' parameter(s) but was sent '3'.",
        ),
    ],
)
def test_each_refusal_has_its_code_and_words(
    sent: dict[str, str], read: Callable[[Parameters], Any], code: int, msg: str
) -> None:
    assert refusal(lambda: read(Parameters(sent))) == (code, msg)


def test_numbers_are_exact() -> None:
    sent = Parameters({"price": "50000.10", "quantity": "0.10000000", "orderId": "007", "limit": "6000"})

    assert sent.decimal("price", digits=8) == Decimal("50000.1")
    assert sent.decimal("quantity", digits=1) == Decimal("0.1")
    assert sent.integer("orderId") == 7
    assert sent.limit(default=100, most=5_000) == 5_000
    assert Parameters({}).limit(default=100, most=5_000) == 100


@pytest.mark.parametrize("number", ["1764360000123", "1764360000123000"])
def test_a_time_is_milliseconds_or_microseconds(number: str) -> None:
    moment = datetime(2025, 11, 28, 20, 0, 0, 123_000, tzinfo=UTC)

    assert Parameters({"startTime": number}).moment("startTime") == moment
