"""Whatever arrives at the door: an exact code, and nothing stored, nothing held."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from accounts.models import TradingAccount
from instruments.models import InstrumentStatus
from orders.services import books
from orders.services.phases import halt_instrument
from tests.api.client import Api, order_body, refused, signed_in
from tests.factories import ACTOR, NOW, Market, everything_stored, make_market
from tests.worlds import shared_world

_FORTY_DIGITS = "1234567890" * 4
_CONDITIONS = (
    "trigger_price", "trail_amount", "trail_percent", "trail_step", "limit_offset", "display_quantity",
    "min_quantity", "quote_quantity", "protection_price",
)  # fmt: skip
_STOP = {"type": "stop", "price": None, "trigger_price": "51000"}
_RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT MARK}"


@pytest.fixture(scope="module")
def known(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[tuple[Market, TradingAccount]]:
    """A market and a trader, made once: hundreds of tests send something to it that moves nothing."""
    with shared_world(django_db_blocker):
        market = make_market()
        yield market, market.trader()


@pytest.fixture
def market(db: None, known: tuple[Market, TradingAccount]) -> Iterator[Market]:
    """One market for all of this module; a test undoes what it did."""
    yield deepcopy(known[0])
    books.forget(known[0].shard.pk)


@pytest.fixture
def alice(market: Market, known: tuple[Market, TradingAccount]) -> TradingAccount:
    """Its trader, with 100 of the base asset and 10,000,000 of the quote asset."""
    return deepcopy(known[1])


def _field_cases() -> list[Any]:
    numbers = {
        "zero": "0",
        "zero as a number": 0,
        "minus zero": "-0.0",
        "negative": "-1",
        "NaN": "NaN",
        "infinity": "Infinity",
        "exponent": "1e5",
        "negative exponent": "1E-5",
        "forty digits": _FORTY_DIGITS,
        "forty digits as a number": int(_FORTY_DIGITS),
        "nineteen decimals": "1.0000000000000000001",
        "plus sign": "+1",
        "spaces": " 1",
        "no digits before the point": ".5",
        "no digits after the point": "5.",
        "two points": "1.2.3",
        "comma": "1,5",
        "underscore": "1_000",
        "digits of another script": "٣",
        "empty": "",
        "words": "one",
        "true": True,
        "list": [1],
        "object": {"value": 1},
    }
    return [
        *(
            pytest.param({field: number}, "invalid_number", id=f"{field}: {name}")
            for field in ("quantity", "price")
            for name, number in numbers.items()
        ),
        *(
            pytest.param({field: numbers[name]}, "invalid_number", id=f"{field}: {name}")
            for field in _CONDITIONS
            for name in ("NaN", "exponent", "forty digits", "nineteen decimals", "empty", "true", "list")
        ),
        *(
            pytest.param(_STOP | {field: "-1"}, "invalid_number", id=f"{field}: negative")
            for field in _CONDITIONS
        ),
        *(
            pytest.param({"expires_at": value, "time_in_force": "gtd"}, code, id=f"expires_at: {name}")
            for name, value, code in (
                ("a word", "tomorrow", "invalid_field"),
                ("a number", 1_800_000_000, "invalid_field"),
                ("a date", "2100-01-01", "invalid_field"),
                ("without a zone", "2100-01-01T00:00:00", "invalid_field"),
                ("no such day", "2100-02-30T00:00:00Z", "invalid_field"),
                ("the year 10000", "10000-01-01T00:00:00Z", "invalid_field"),
                ("the year 9999", "9999-12-31T23:59:59-12:00", "invalid_field"),
                ("before the epoch", "1969-12-31T23:59:59Z", "invalid_field"),
                ("long ago", "2020-01-01T00:00:00Z", "expiry_in_past"),
                ("left out", None, "expiry_required"),
            )
        ),
        pytest.param({"trigger_by": "mark"}, "invalid_field", id="unknown trigger source"),
        pytest.param({"reduce_only": 1}, "invalid_field", id="reduce-only as a number"),
        pytest.param({"type": "oco"}, "invalid_field", id="a kind of list as a type"),
        pytest.param({"link": "oco"}, "invalid_field", id="a link"),
        pytest.param({"parent": "7"}, "invalid_field", id="a parent"),
        pytest.param({"partner": "7"}, "invalid_field", id="a partner"),
        pytest.param({"list_id": "7"}, "invalid_field", id="a list"),
        pytest.param({"credential": "session:x"}, "invalid_field", id="a credential"),
        pytest.param(_STOP | {"trigger_price": "9" * 18}, "price_not_on_tick", id="trigger beyond 64 bits"),
        pytest.param(_STOP | {"trigger_price": "9" * 20}, "invalid_number", id="trigger beyond NUMERIC"),
        pytest.param(
            _STOP | {"trigger_price": str(2**63 // 100)}, "no_reference_price", id="no room for protection"
        ),
        pytest.param({"quantity": "0.00001"}, "quantity_too_small", id="quantity below the least"),
        pytest.param({"quantity": "0.00015"}, "quantity_not_on_step", id="quantity between steps"),
        pytest.param({"quantity": "1001"}, "quantity_too_large", id="quantity above the greatest"),
        pytest.param({"price": "50000.005"}, "price_not_on_tick", id="price between ticks"),
        pytest.param({"price": "55000.01"}, "price_out_of_band", id="price above the band"),
        pytest.param({"price": "44999.99"}, "price_out_of_band", id="price below the band"),
        pytest.param({"price": None}, "price_required", id="limit without price"),
        pytest.param({"type": "market"}, "price_not_allowed", id="market with price"),
        pytest.param({"quantity": None}, "quantity_required", id="no quantity"),
        pytest.param({"side": "hold"}, "invalid_field", id="unknown side"),
        pytest.param({"side": "BUY"}, "invalid_field", id="side in capitals"),
        pytest.param({"side": 1}, "invalid_field", id="side as a number"),
        pytest.param({"side": ["buy"]}, "invalid_field", id="side as a list"),
        pytest.param({"type": "stop_loss"}, "invalid_field", id="unknown type"),
        pytest.param({"time_in_force": "week"}, "invalid_field", id="unknown time in force"),
        pytest.param({"stp_mode": "none"}, "invalid_field", id="unknown self-trade prevention"),
        pytest.param({"post_only": "yes"}, "invalid_field", id="flag as a word"),
        pytest.param({"post_only": "true"}, "invalid_field", id="true as a word"),
        pytest.param({"reduce_only": "false"}, "invalid_field", id="false as a word"),
        pytest.param({"post_only": 1}, "invalid_field", id="flag as a number"),
        pytest.param({"post_only": {}}, "invalid_field", id="flag as an object"),
        pytest.param({"post_only": True, "time_in_force": "ioc"}, "invalid_combination", id="post-only IOC"),
        pytest.param({"account": "x"}, "invalid_field", id="account as a word"),
        pytest.param({"account": 1.5}, "invalid_field", id="account with a fraction"),
        pytest.param({"account": True}, "invalid_field", id="account as a boolean"),
        pytest.param({"account": 0}, "invalid_field", id="account zero"),
        pytest.param({"account": 2**63}, "invalid_field", id="account beyond 64 bits"),
        pytest.param({"symbol": 7}, "invalid_field", id="symbol as a number"),
        pytest.param({"symbol": "A\0B"}, "invalid_field", id="symbol with NUL"),
        pytest.param({"symbol": "X" * 65}, "invalid_field", id="symbol too long"),
        pytest.param({"status": "filled"}, "invalid_field", id="a field that only we may set"),
        pytest.param({"held": "0"}, "invalid_field", id="another one"),
        pytest.param({"client_order_id": 7}, "invalid_field", id="client id as a number"),
        *(
            pytest.param({"client_order_id": value}, "invalid_client_order_id", id=f"client id: {name}")
            for name, value in {
                "0 characters": "",
                "37 characters": "x" * 37,
                "300 characters": "x" * 300,
                "NUL": "a\0b",
                "right-to-left mark": f"a{_RIGHT_TO_LEFT}b",
                "space": "a b",
                "line end": "abc\n",
                "full-width letter": "\N{FULLWIDTH LATIN SMALL LETTER A}",
            }.items()
        ),
    ]


class TestFields:
    @pytest.mark.parametrize(("changes", "code"), _field_cases())
    def test_refuses(
        self, market: Market, alice: TradingAccount, api: Api, changes: dict[str, Any], code: str
    ) -> None:
        before = everything_stored()

        response = api.post("/orders?wait=0", order_body(market, alice, **changes))

        refused(response, code)
        assert everything_stored() == before

    @pytest.mark.parametrize("symbol", ["", "NO-SUCH", "btc-usdt", _RIGHT_TO_LEFT, "'; DROP TABLE x"])
    def test_refuses_an_unknown_symbol(
        self, market: Market, alice: TradingAccount, api: Api, symbol: str
    ) -> None:
        before = everything_stored()

        response = api.post("/orders?wait=0", order_body(market, alice, symbol=symbol))

        assert refused(response, "unknown_symbol", 404)["context"] == {"symbol": symbol}
        assert everything_stored() == before

    @pytest.mark.parametrize("name", ["a", "x" * 36, "../..", "A-z.0:/_9"])
    def test_takes_a_client_id_up_to_36_characters(
        self, market: Market, alice: TradingAccount, api: Api, name: str
    ) -> None:
        response = api.post("/orders?wait=0", order_body(market, alice, client_order_id=name))

        assert (response.status_code, response.json()["client_order_id"]) == (202, name)

    def test_names_every_field_at_fault(self, alice: TradingAccount, api: Api) -> None:
        response = api.post("/orders?wait=0", {"account": alice.id, "side": "hold", "quantity": "1e5"})

        body = refused(response, "invalid_number")
        assert set(body["context"]["fields"]) == {"symbol", "side", "type", "quantity"}
        assert body["context"]["fields"]["side"] == "Must be one of: buy, sell."

    @pytest.mark.parametrize("number", ["9" * 19, "9" * 20, "9" * 21, 10**18, 10**20])
    def test_says_the_same_of_every_number_that_is_too_long(
        self, market: Market, alice: TradingAccount, api: Api, number: str | int
    ) -> None:
        response = api.post("/orders?wait=0", order_body(market, alice, quantity=number))

        sentence = "Write a decimal number: up to 18 digits, a point, up to 18 digits; no exponent."
        assert refused(response, "invalid_number")["context"]["fields"] == {"quantity": sentence}

    def test_names_an_unknown_field(self, market: Market, alice: TradingAccount, api: Api) -> None:
        response = api.post("/orders?wait=0", order_body(market, alice, qauntity="1"))

        body = refused(response, "invalid_field")
        assert body["detail"] == "qauntity: There is no such field."
        assert body["context"]["fields"] == {"qauntity": "There is no such field."}


class TestPages:
    @pytest.mark.parametrize("limit", ["-1", "0", "1001", "9" * 20, "1e2", "x", ""])
    def test_says_how_long_a_page_may_be(self, db: None, api: Api, limit: str) -> None:
        body = refused(api.get(f"/orders?limit={limit}"), "invalid_field")

        assert body["detail"] == "limit: Must be a whole number from 1 to 1,000."

    @pytest.mark.parametrize("cursor", ["-1", "0", str(2**63), "x"])
    def test_says_what_a_cursor_may_be(self, db: None, api: Api, cursor: str) -> None:
        body = refused(api.get(f"/orders?cursor={cursor}"), "invalid_field")

        assert body["context"]["fields"] == {"cursor": "Must be a whole number of at least 1."}


class TestState:
    def test_refuses_what_the_account_cannot_pay(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        before = everything_stored()

        response = api.post("/orders?wait=0", order_body(market, alice, quantity="200"))

        assert refused(response, "insufficient_funds")["context"] == {
            "asset": market.instrument.quote.code,
            "required": "10010000",
            "available": "10000000",
        }
        assert everything_stored() == before

    def test_refuses_what_the_account_cannot_deliver(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        before = everything_stored()

        response = api.post("/orders?wait=0", order_body(market, alice, side="sell", quantity="100.0001"))

        assert refused(response, "insufficient_funds")["context"]["required"] == "100.0001"
        assert everything_stored() == before

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (InstrumentStatus.HALTED, "instrument_halted"),
            (InstrumentStatus.MAINTENANCE, "instrument_maintenance"),
            (InstrumentStatus.DELISTED, "instrument_delisted"),
        ],
    )
    def test_refuses_where_trading_has_stopped(
        self, market: Market, alice: TradingAccount, api: Api, status: InstrumentStatus, code: str
    ) -> None:
        halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="test", status=status)
        before = everything_stored()

        refused(api.post("/orders?wait=0", order_body(market, alice)), code, 409)

        assert everything_stored() == before

    @pytest.mark.parametrize(
        ("changes", "code"),
        [({"is_active": False}, "account_inactive"), ({"is_locked": True}, "account_locked")],
    )
    def test_refuses_a_closed_account(
        self, market: Market, alice: TradingAccount, api: Api, changes: dict[str, bool], code: str
    ) -> None:
        type(alice).objects.filter(id=alice.id).update(**changes)
        before = everything_stored()

        refused(api.post("/orders?wait=0", order_body(market, alice)), code, 403)

        assert everything_stored() == before

    def test_refuses_a_market_order_without_a_reference_price(self, db: None) -> None:
        quiet = make_market(reference_price="0")
        account = quiet.trader()
        api = signed_in(account)
        before = everything_stored()

        response = api.post("/orders?wait=0", order_body(quiet, account, type="market", price=None))

        refused(response, "no_reference_price")
        assert everything_stored() == before

    @pytest.mark.parametrize(
        ("quantity", "code"), [("0.0001", "notional_too_small"), ("0.5", "notional_too_large")]
    )
    def test_refuses_an_order_of_the_wrong_value(self, db: None, quantity: str, code: str) -> None:
        narrow = make_market(min_notional="10", max_notional="20000")
        account = narrow.trader()
        api = signed_in(account)
        before = everything_stored()

        refused(api.post("/orders?wait=0", order_body(narrow, account, quantity=quantity)), code)

        assert everything_stored() == before

    def test_refuses_one_open_order_too_many(self, db: None) -> None:
        strict = make_market(max_open_orders=1)
        account = strict.trader()
        strict.buy(account, 1, 50000)
        api = signed_in(account)
        before = everything_stored()

        response = api.post("/orders?wait=0", order_body(strict, account))

        assert refused(response, "too_many_open_orders")["context"]["maximum"] == 1
        assert everything_stored() == before


def _raw_cases() -> list[Any]:
    nested = "[" * 1_000 + "]" * 1_000
    return [
        pytest.param("", "invalid_field", 400, id="empty"),
        pytest.param("{", "malformed_json", 400, id="cut off"),
        pytest.param("account=1&symbol=BTC", "malformed_json", 400, id="a form"),
        pytest.param("<order/>", "malformed_json", 400, id="xml"),
        pytest.param(b"\xff\xfe{}", "malformed_json", 400, id="not utf-8"),
        pytest.param(b"\xef\xbb\xbf{}", "malformed_json", 400, id="byte order mark"),
        pytest.param('{"quantity": NaN}', "malformed_json", 400, id="NaN"),
        pytest.param('{"quantity": -Infinity}', "malformed_json", 400, id="infinity"),
        pytest.param('{"quantity": 1e5}', "invalid_number", 400, id="number with an exponent"),
        pytest.param('{"quantity": 1E400}', "invalid_number", 400, id="number beyond a float"),
        pytest.param('{"quantity": ' + "9" * 5_000 + "}", "malformed_json", 400, id="number of 5,000 digits"),
        pytest.param('{"side": "buy", "side": "sell"}', "malformed_json", 400, id="a key twice"),
        pytest.param('{"symbol": "\\ud800"}', "malformed_json", 400, id="half of a character"),
        pytest.param('{"\\udfff": 1}', "malformed_json", 400, id="half of a character as a name"),
        pytest.param(nested, "malformed_json", 400, id="nested 1,000 deep"),
        pytest.param('{"a":' * 1_000 + "1" + "}" * 1_000, "malformed_json", 400, id="objects 1,000 deep"),
        pytest.param("[" * 100_000, "malformed_json", 400, id="100,000 brackets"),
        pytest.param("[]", "invalid_field", 400, id="a list"),
        pytest.param("null", "invalid_field", 400, id="null"),
        pytest.param('"buy"', "invalid_field", 400, id="a text"),
        pytest.param("7", "invalid_field", 400, id="a number"),
        pytest.param(b'{"symbol": "' + b"x" * 10_000_000 + b'"}', "body_too_large", 413, id="10 MB"),
    ]


class TestBodies:
    @pytest.mark.parametrize("path", ["/orders?wait=0", "/orders/batch?wait=0"])
    @pytest.mark.parametrize(("body", "code", "status"), _raw_cases())
    def test_refuses(self, market: Market, api: Api, path: str, body: Any, code: str, status: int) -> None:
        before = everything_stored()

        response = api.post(path, body, content_type="application/json")

        refused(response, code, status)
        assert everything_stored() == before

    def test_serves_the_next_request_as_if_nothing_had_been(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        api.post("/orders?wait=0", "[" * 100_000, content_type="application/json")

        assert api.post("/orders?wait=0", order_body(market, alice)).status_code == 202

    @pytest.mark.parametrize(
        "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    )
    def test_refuses_another_media_type(
        self, market: Market, alice: TradingAccount, api: Api, media_type: str
    ) -> None:
        body = json.dumps(order_body(market, alice))

        refused(api.post("/orders?wait=0", body, content_type=media_type), "unsupported_media_type", 415)

    def test_refuses_to_answer_in_another_media_type(self, api: Api) -> None:
        refused(api.get("/orders", headers={"Accept": "text/html"}), "not_acceptable", 406)


class TestQueries:
    @pytest.mark.parametrize(
        "query",
        [
            "wait=-1", "wait=5001", "wait=soon", "wait=1.5", "wait=", "wait=1e3", "wait=0&wait=1", "wiat=0",
            "wait=%00",
        ],
    )  # fmt: skip
    def test_refuses_a_wrong_wait_before_anything_happens(
        self, market: Market, alice: TradingAccount, api: Api, query: str
    ) -> None:
        before = everything_stored()

        refused(api.post(f"/orders?{query}", order_body(market, alice)), "invalid_field")

        assert everything_stored() == before

    @pytest.mark.parametrize(
        "query",
        [
            "symbl=X", "symbol=", "symbol=A%00B", "limit=0", "limit=1001", "limit=-1", "limit=x", "cursor=x",
            "cursor=0", f"cursor={2**63}", "cursor=%00", "status=done", "open=maybe", "account=x",
            "status=open&status=filled",
        ],
    )  # fmt: skip
    def test_refuses_a_wrong_filter(self, api: Api, query: str) -> None:
        refused(api.get(f"/orders?{query}"), "invalid_field")

    @pytest.mark.parametrize("query", ["symbol=NO-SUCH", "symbol=%ED%A0%80"])
    def test_refuses_to_filter_by_an_unknown_symbol(self, api: Api, query: str) -> None:
        refused(api.get(f"/orders?{query}"), "unknown_symbol", 404)

    @pytest.mark.parametrize("query", ["", "symbol=", "accont=1", "account=0", "account=1&symbol=A&symbol=B"])
    def test_cancels_nothing_when_it_is_not_sure_what(
        self, market: Market, alice: TradingAccount, api: Api, query: str
    ) -> None:
        market.buy(alice, 1, 50000)
        before = everything_stored()

        refused(api.delete(f"/orders?{query}"), "invalid_field")

        assert everything_stored() == before

    @pytest.mark.parametrize(
        "query",
        [
            "", "interval=2m", "interval=1m&limit=1001", "interval=1m&before=yesterday",
            "interval=1m&before=1969-12-31T23:59:59Z", "interval=1d&before=9999-12-31T00:00:00Z",
            "interval=1d&before=0001-01-01T00:00:00Z",
        ],
    )  # fmt: skip
    def test_refuses_candles_of_no_time(self, market: Market, anonymous: Api, query: str) -> None:
        refused(anonymous.get(f"/instruments/{market.symbol}/candles?{query}"), "invalid_field")


class TestAddresses:
    @pytest.mark.parametrize(
        "path", ["/order", "/orders/", "/orders/abc", "/orders/-1", "/orders/1.5", "/accounts/x/ledger"]
    )
    def test_says_so_where_nothing_is(self, api: Api, path: str) -> None:
        refused(api.get(path), "not_found", 404)

    @pytest.mark.parametrize("order", ["0", str(2**63 - 1), str(2**63), "9" * 40])
    def test_knows_no_such_order(self, market: Market, api: Api, order: str) -> None:
        refused(api.get(f"/orders/{order}"), "order_not_found", 404)
        refused(api.delete(f"/orders/{order}?wait=0"), "order_not_found", 404)
        refused(api.patch(f"/orders/{order}?wait=0", {"price": "1"}), "order_not_found", 404)

    @pytest.mark.parametrize("account", ["0", str(2**63), "9" * 40])
    def test_knows_no_such_account(self, market: Market, api: Api, account: str) -> None:
        refused(api.get(f"/accounts/{account}/balances"), "account_not_found", 404)
        refused(api.get(f"/accounts/{account}/ledger"), "account_not_found", 404)
        refused(api.get(f"/orders/by-client-id/{account}/x"), "account_not_found", 404)

    @pytest.mark.parametrize("name", ["x", "a%00b", "%E2%80%8F", "x" * 300, "a/b/c"])
    def test_knows_no_such_client_order_id(
        self, market: Market, alice: TradingAccount, api: Api, name: str
    ) -> None:
        market.buy(alice, 1, 50000, client_order_id="ab")

        refused(api.get(f"/orders/by-client-id/{alice.id}/{name}"), "order_not_found", 404)

    @pytest.mark.parametrize("symbol", ["NO-SUCH", "a%00b", "%E2%80%8F", "x" * 300])
    @pytest.mark.parametrize("rest", ["", "/depth", "/trades", "/ticker", "/candles?interval=1m"])
    def test_knows_no_such_instrument(self, db: None, anonymous: Api, symbol: str, rest: str) -> None:
        refused(anonymous.get(f"/instruments/{symbol}{rest}"), "unknown_symbol", 404)

    def test_takes_no_other_method(self, market: Market, api: Api) -> None:
        refused(api.put("/orders", {}), "method_not_allowed", 405)
        refused(api.post("/fills", {}), "method_not_allowed", 405)
        refused(api.options("/orders"), "method_not_allowed", 405)
