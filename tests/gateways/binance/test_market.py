"""Public market data: exact shapes, one id space for depth and stream, pages of trades."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import TradingAccount
from orders.models import Side, Trade
from orders.services.journal import microseconds
from tests.factories import NOW, Market, make_market, tag
from tests.gateways.binance.client import Venue, refused
from tradeplatform.common.limits import PATIENCE

pytestmark = pytest.mark.django_db


def milliseconds(moment: datetime) -> int:
    return microseconds(moment) // 1_000


@pytest.fixture
def traded(market: Market, alice: TradingAccount, bob: TradingAccount) -> list[Trade]:
    """Three trades of one taker at two prices, then one the other way a minute later; oldest first."""
    market.sell(bob, "0.5", 50000)
    market.sell(bob, "0.25", 50000)
    market.sell(bob, 1, "50000.01")
    market.buy(alice, 1, "50000.01")
    market.buy(bob, 2, 49990)
    market.drain()
    later = NOW + timedelta(minutes=1)
    market.send(market.request(alice, Side.SELL, "0.1", 49990), now=later)
    market.drain(now=later)
    return list(Trade.objects.filter(instrument=market.instrument).order_by("id"))


class TestConnectivity:
    def test_ping_and_time(self, venue: Venue) -> None:
        assert venue.ask("ping") == {}
        assert 1_764_000_000_000 < venue.ask("time")["serverTime"] < 10**14
        assert venue.get("/sapi/v1/system/status").json() == {"status": 0, "msg": "normal"}

    def test_time_in_microseconds_for_who_asks_for_it(self, venue: Venue) -> None:
        answer = venue.get("/api/v3/time", headers={"X-MBX-TIME-UNIT": "MICROSECOND"})
        assert answer.json()["serverTime"] > 10**15
        refused(
            venue.get("/api/v3/time", headers={"X-MBX-TIME-UNIT": "hours"}),
            -1194,
            "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.",
        )

    def test_an_empty_get_with_a_content_type_is_no_json(self, venue: Venue) -> None:
        assert venue.get("/api/v3/ping", headers={"Content-Type": "application/json"}).json() == {}

    def test_what_is_not_there_is_said_in_the_same_language(self, venue: Venue) -> None:
        for path in ("/api/v3/nothing", "/sapi/v1/nothing"):
            refused(venue.get(path), -1020, "This operation is not supported.", 404)
        refused(venue.post("/api/v3/ping"), -1020, "This operation is not supported.", 404)

    def test_an_unknown_parameter_is_noticed(self, venue: Venue) -> None:
        refused(
            venue.look("time", symbl="BTCUSDT"),
            -1104,
            "Not all sent parameters were read; read '0' parameter(s) but was sent '1'.",
        )


class TestDepth:
    def test_is_best_first_with_eight_digits_and_the_books_seq(
        self, venue: Venue, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        market.buy(alice, 1, 49000)
        market.buy(alice, "0.5", 49500)
        market.sell(bob, 2, 50500)
        market.drain()

        assert venue.ask("depth", symbol=market.symbol) == {
            "lastUpdateId": market.book().seq,
            "bids": [["49500.00000000", "0.50000000"], ["49000.00000000", "1.00000000"]],
            "asks": [["50500.00000000", "2.00000000"]],
        }
        assert venue.ask("depth", symbol=market.symbol, limit=1)["bids"] == [["49500.00000000", "0.50000000"]]

    def test_of_no_such_symbol_is_refused(self, venue: Venue) -> None:
        refused(venue.look("depth", symbol="NOSUCH"), -1121, "Invalid symbol.")
        refused(
            venue.look("depth"),
            -1102,
            "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
        )


class TestTrades:
    def test_are_oldest_first(self, venue: Venue, market: Market, traded: list[Trade]) -> None:
        rows = venue.ask("trades", symbol=market.symbol, limit=2)

        assert [row["id"] for row in rows] == [traded[2].id, traded[3].id]
        assert rows[1] == {
            "id": traded[3].id,
            "price": "49990.00000000",
            "qty": "0.10000000",
            "quoteQty": "4999.00000000",
            "time": milliseconds(traded[3].at),
            "isBuyerMaker": True,
            "isBestMatch": True,
        }

    def test_are_paged_by_id(self, venue: Venue, market: Market, traded: list[Trade]) -> None:
        rows = venue.ask("historicalTrades", symbol=market.symbol, fromId=traded[1].id, limit=2)

        assert [row["id"] for row in rows] == [traded[1].id, traded[2].id]

    def test_of_one_taker_at_one_price_are_one(
        self, venue: Venue, market: Market, traded: list[Trade]
    ) -> None:
        rows = venue.ask("aggTrades", symbol=market.symbol)

        assert [(row["a"], row["f"], row["l"], row["p"], row["q"], row["m"]) for row in rows] == [
            (traded[0].id, traded[0].id, traded[1].id, "50000.00000000", "0.75000000", False),
            (traded[2].id, traded[2].id, traded[2].id, "50000.01000000", "0.25000000", False),
            (traded[3].id, traded[3].id, traded[3].id, "49990.00000000", "0.10000000", True),
        ]
        assert (rows[0]["T"], rows[0]["M"]) == (milliseconds(traded[0].at), True)

    @pytest.mark.parametrize(
        ("first", "limit", "found"), [(0, 10, [0, 2, 3]), (1, 10, [2, 3]), (1, 1, [2]), (3, 10, [3])]
    )
    def test_put_together_are_whole_or_not_there(
        self, venue: Venue, market: Market, traded: list[Trade], first: int, limit: int, found: list[int]
    ) -> None:
        rows = venue.ask("aggTrades", symbol=market.symbol, fromId=traded[first].id, limit=limit)

        assert [row["a"] for row in rows] == [traded[number].id for number in found]

    def test_put_together_are_found_by_time(self, venue: Venue, market: Market, traded: list[Trade]) -> None:
        then, later = milliseconds(traded[0].at), milliseconds(traded[3].at)

        def found(**times: int) -> list[int]:
            return [row["a"] for row in venue.ask("aggTrades", symbol=market.symbol, **times)]

        assert found(startTime=then, endTime=then) == [traded[0].id, traded[2].id]
        assert found(startTime=then + 1) == [traded[3].id]
        assert found(endTime=later - 1) == [traded[0].id, traded[2].id]
        assert found(endTime=later, limit=1) == [traded[3].id]


class TestKlines:
    def test_have_twelve_elements(self, venue: Venue, market: Market, traded: list[Trade]) -> None:
        rows = venue.ask("klines", symbol=market.symbol, interval="1m", endTime=milliseconds(NOW))

        opened = milliseconds(NOW)
        assert rows[-1] == [
            opened,
            "50000.00000000",
            "50000.01000000",
            "50000.00000000",
            "50000.01000000",
            "1.00000000",
            opened + 59_999,
            "50000.00250000",
            3,
            "1.00000000",
            "50000.00250000",
            "0",
        ]

    def test_begin_at_a_time_or_end_at_one(self, venue: Venue, market: Market, traded: list[Trade]) -> None:
        opened = milliseconds(NOW)

        def begun(**times: int) -> list[int]:
            rows = venue.ask("klines", symbol=market.symbol, interval="1m", **times)
            return [(row[0] - opened) // 60_000 for row in rows]

        assert begun(startTime=opened, limit=3) == [0, 1, 2]
        assert begun(startTime=opened + 1, limit=2) == [1, 2]
        assert begun(startTime=opened, endTime=opened + 60_000) == [0, 1]
        assert begun(endTime=opened + 60_000, limit=1) == [1]

    def test_begin_by_the_clock_of_a_time_zone(
        self, venue: Venue, market: Market, traded: list[Trade]
    ) -> None:
        day = timedelta(days=1) // timedelta(milliseconds=1)
        for zone, began in (("0", 0), ("8", 16), ("+08:00", 16), ("-5:00", 5), ("14", 10), ("-12", 12)):
            rows = venue.ask("klines", symbol=market.symbol, interval="1d", timeZone=zone)
            assert {(row[0] % day // 3_600_000, row[6] - row[0]) for row in rows} == {(began, day - 1)}, zone
            assert sum(row[8] for row in rows) == len(traded)
        for zone in ("15", "-13:00", "05:45"):
            refused(
                venue.look("klines", symbol=market.symbol, interval="1d", timeZone=zone),
                -1130,
                "Data sent for parameter 'timeZone' is not valid.",
            )
        strange = venue.look("klines", symbol=market.symbol, interval="1d", timeZone="UTC")
        assert strange.json()["code"] == -1100

    def test_of_no_such_length_are_refused(self, venue: Venue, market: Market) -> None:
        refused(venue.look("klines", symbol=market.symbol, interval="7m"), -1120, "Invalid interval.")


class TestTickers:
    def test_of_one_symbol_is_an_object_and_of_several_a_list(self, venue: Venue, market: Market) -> None:
        other = make_market()
        both = f'["{market.symbol}","{other.symbol}"]'

        for path in ("ticker/price", "ticker/bookTicker", "ticker/24hr"):
            assert venue.ask(path, symbol=market.symbol)["symbol"] == market.symbol
            assert [row["symbol"] for row in venue.ask(path, symbols=both)] == [
                market.symbol,
                other.symbol,
            ]
            assert {market.symbol, other.symbol} <= {row["symbol"] for row in venue.ask(path)}

    def test_best_prices(self, venue: Venue, market: Market, alice: TradingAccount) -> None:
        market.buy(alice, 1, 49000)
        market.drain()

        assert venue.ask("ticker/bookTicker", symbol=market.symbol) == {
            "symbol": market.symbol,
            "bidPrice": "49000.00000000",
            "bidQty": "1.00000000",
            "askPrice": "0.00000000",
            "askQty": "0.00000000",
        }

    def test_last_price(self, venue: Venue, market: Market, traded: list[Trade]) -> None:
        assert venue.ask("ticker/price", symbol=market.symbol) == {
            "symbol": market.symbol,
            "price": "49990.00000000",
        }

    def test_of_the_day(
        self, venue: Venue, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        now = timezone.now()
        for price, quantity in (("50000", "1"), ("50500", "3")):
            market.send(market.request(bob, Side.SELL, quantity, price), now=now)
            market.send(market.request(alice, Side.BUY, quantity, price), now=now)
        market.drain(now=now)
        first, last = Trade.objects.filter(instrument=market.instrument).order_by("id")

        found = venue.ask("ticker/24hr", symbol=market.symbol)

        assert 0 <= now.timestamp() * 1_000 - found.pop("closeTime") + 60_000 <= 120_000
        assert found.pop("openTime") % 60_000 == 0
        assert found == {
            "symbol": market.symbol,
            "priceChange": "500.00000000",
            "priceChangePercent": "1.000",
            "weightedAvgPrice": "50375.00000000",
            "prevClosePrice": "50000.00000000",
            "lastPrice": "50500.00000000",
            "lastQty": "3.00000000",
            "bidPrice": "0.00000000",
            "bidQty": "0.00000000",
            "askPrice": "0.00000000",
            "askQty": "0.00000000",
            "openPrice": "50000.00000000",
            "highPrice": "50500.00000000",
            "lowPrice": "50000.00000000",
            "volume": "4.00000000",
            "quoteVolume": "201500.00000000",
            "firstId": first.id,
            "lastId": last.id,
            "count": 2,
        }
        mini = venue.ask("ticker/24hr", symbol=market.symbol, type="MINI")
        assert set(found) - set(mini) == {
            *("priceChange", "priceChangePercent", "weightedAvgPrice", "prevClosePrice", "lastQty"),
            *("bidPrice", "bidQty", "askPrice", "askQty"),
        }
        assert venue.ask("avgPrice", symbol=market.symbol) == {
            "mins": 5,
            "price": "50375.00000000",
            "closeTime": milliseconds(last.at),
        }

    def test_of_a_market_without_a_trade(self, venue: Venue, market: Market) -> None:
        found = venue.ask("ticker/24hr", symbol=market.symbol)

        assert (found["count"], found["firstId"], found["lastId"]) == (0, -1, -1)
        assert {found[name] for name in ("lastPrice", "priceChange", "volume")} == {"0.00000000"}
        assert venue.ask("avgPrice", symbol=market.symbol)["closeTime"] == 0


class TestWeights:
    def test_are_added_up_for_each_address(self, venue: Venue, market: Market) -> None:
        def used(address: str, limit: int = 100) -> int:
            asked = f"/api/v3/depth?symbol={market.symbol}&limit={limit}"
            return int(venue.get(asked, REMOTE_ADDR=address)["X-MBX-USED-WEIGHT-1M"])

        here, there = (f"2001:db8:{number}::{int(tag(), 16) % 65_536:x}" for number in (1, 2))
        before, elsewhere = used(here), used(there)
        assert used(here) == before + 5
        assert used(here, limit=1_000) == before + 55
        assert used(there) == elsewhere + 5

    def test_beyond_the_limit_are_429_then_418_and_cancels_go_on(
        self, venue: Venue, settings: Settings
    ) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"binance_weight": 4}
        here = f"2001:db8::{int(tag(), 16) % 65_536:x}"
        last = venue.get("/api/v3/depth", REMOTE_ADDR=here)
        refused(
            last,
            -1003,
            "Too much request weight used; current limit is 4 request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API.",
            429,
        )
        assert 1 <= int(last["Retry-After"]) <= 60

        for _call in range(PATIENCE):
            last = venue.get("/api/v3/depth", REMOTE_ADDR=here)

        body = last.json()
        assert (last.status_code, body["code"], last["Retry-After"]) == (418, -1003, "120")
        assert body["msg"].startswith("Way too much request weight used; IP banned until ")
        until = int(body["msg"].split("until ")[1].split(".")[0])
        assert 0 < until / 1_000 - time.time() <= 121
        assert venue.get("/api/v3/ping", REMOTE_ADDR=here).status_code == 418
        cancel = venue.delete("/api/v3/order", REMOTE_ADDR=here)
        refused(cancel, -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")
