"""Public market data: instruments, depth with its checksum, trades, tickers, candles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zlib import crc32

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import TradingAccount
from orders.market.intervals import Interval
from orders.market.services.following import follow
from orders.models import Side
from tests.api.client import Api, refused
from tests.factories import NOW, Market, make_market

# Before a follower has seen the trades and after: the answers must be the same.
BOTH_WAYS = pytest.mark.parametrize("followed", [False, True])


def _trade(
    market: Market, buyer: TradingAccount, seller: TradingAccount, at: datetime, price: int, size: str
) -> None:
    """One trade at this moment."""
    for order in (
        market.request(seller, Side.SELL, size, price),
        market.request(buyer, Side.BUY, size, price),
    ):
        market.send(order, now=at)
    market.drain(now=at)


class TestInstruments:
    def test_show_filters_fees_status_and_precision(self, market: Market, anonymous: Api) -> None:
        instrument = market.instrument

        answer = anonymous.get(f"/instruments/{market.symbol}").json()

        assert answer == {
            "symbol": market.symbol,
            "display_name": market.symbol,
            "kind": "crypto",
            "base": instrument.base.code,
            "quote": instrument.quote.code,
            "status": "active",
            "realm": "live",
            "tick_size": "0.01",
            "lot_size": "0.0001",
            "price_decimals": 2,
            "quantity_decimals": 4,
            "min_price": None,
            "max_price": None,
            "min_quantity": "0.0001",
            "max_quantity": "1000.0000",
            "min_notional": None,
            "max_notional": None,
            "price_band": "0.1",
            "max_open_orders": 200,
            "maker_fee": "0.0005",
            "taker_fee": "0.001",
        }
        assert answer in anonymous.get("/instruments").json()["results"]

    def test_show_limits_with_the_digits_they_need(self, db: None, anonymous: Api) -> None:
        market = make_market(
            symbol="GOLD-TEST", min_price="0.5", max_price=90000, min_notional="0.001", max_notional=1_000_000
        )

        answer = anonymous.get(f"/instruments/{market.symbol}").json()

        limits = [answer[name] for name in ("min_price", "max_price", "min_notional", "max_notional")]
        assert limits == ["0.50", "90000.00", "0.001", "1000000"]

    def test_cost_one_query_however_many_there_are(
        self, market: Market, anonymous: Api, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(3):
            make_market()

        with django_assert_num_queries(1):
            assert len(anonymous.get("/instruments").json()["results"]) == 4


class TestDepth:
    def test_sums_levels_best_first_at_a_seq(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api
    ) -> None:
        for quantity, price in (("1", 49900), ("0.5", 50000), ("0.25", 50000)):
            market.buy(alice, quantity, price)
        for quantity, price in (("2", 50200), ("1.5", 50100)):
            market.sell(bob, quantity, price)
        market.drain()

        answer = anonymous.get(f"/instruments/{market.symbol}/depth").json()

        assert answer["symbol"] == market.symbol
        assert answer["seq"] == market.book().seq == 5
        assert answer["bids"] == [["50000.00", "0.7500"], ["49900.00", "1.0000"]]
        assert answer["asks"] == [["50100.00", "1.5000"], ["50200.00", "2.0000"]]
        # Price and quantity of each level without point and leading zeros, asks first.
        assert answer["checksum"] == crc32(
            b"".join([b"501000015000", b"502000020000", b"50000007500", b"499000010000"])
        )

    def test_keeps_its_checksum_when_asked_for_less(
        self, market: Market, alice: TradingAccount, anonymous: Api
    ) -> None:
        for step in range(12):
            market.buy(alice, 1, 50000 - step)
        market.drain()

        whole = anonymous.get(f"/instruments/{market.symbol}/depth").json()
        part = anonymous.get(f"/instruments/{market.symbol}/depth?limit=3").json()

        assert len(whole["bids"]) == 12
        assert part == whole | {"bids": whole["bids"][:3]}

    def test_of_an_empty_book_is_empty(self, market: Market, anonymous: Api) -> None:
        answer = anonymous.get(f"/instruments/{market.symbol}/depth").json()

        assert answer == {"symbol": market.symbol, "seq": 0, "bids": [], "asks": [], "checksum": 0}

    def test_leaves_out_what_the_book_has_not_seen(
        self, market: Market, alice: TradingAccount, anonymous: Api
    ) -> None:
        market.buy(alice, 1, 50000)

        assert anonymous.get(f"/instruments/{market.symbol}/depth").json()["bids"] == []


class TestTrades:
    def test_are_public_but_nameless_newest_first_and_paged(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api
    ) -> None:
        for price in (50000, 50010, 50020):
            market.sell(bob, "0.1", price)
            market.buy(alice, "0.1", price)
        market.drain()

        first = anonymous.get(f"/instruments/{market.symbol}/trades?limit=2").json()
        second = anonymous.get(
            f"/instruments/{market.symbol}/trades?limit=2&cursor={first['next_cursor']}"
        ).json()

        assert [row["price"] for row in first["results"] + second["results"]] == [
            "50020.00",
            "50010.00",
            "50000.00",
        ]
        assert second["next_cursor"] is None
        assert first["results"][0] == {
            "id": str(market.instrument.id << 40 | 9),
            "symbol": market.symbol,
            "seq": 9,
            "price": "50020.00",
            "quantity": "0.1000",
            "taker_side": "buy",
            "time": "2026-03-02T12:00:00.000000Z",
        }

    def test_of_another_instrument_are_not_among_them(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api
    ) -> None:
        _trade(market, alice, bob, NOW, 50000, "1")
        other = make_market()

        assert anonymous.get(f"/instruments/{other.symbol}/trades").json()["results"] == []


class TestTicker:
    def test_ac_22_spread_and_mid(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api
    ) -> None:
        for price in (49900, 50000):
            market.buy(alice, 1, price)
        for price in (50100, 50200):
            market.sell(bob, 2, price)
        market.drain()

        answer = anonymous.get(f"/instruments/{market.symbol}/ticker").json()

        assert answer == {
            "symbol": market.symbol,
            "last": None,
            "bid": "50000.00",
            "bid_quantity": "1.0000",
            "ask": "50100.00",
            "ask_quantity": "2.0000",
            "spread": "100.00",
            "mid": "50050.000",
            "open": None,
            "high": None,
            "low": None,
            "volume": "0.0000",
            "quote_volume": "0.00000000",
            "trades": 0,
            "change": None,
            "change_percent": None,
            "average": None,
        }

    def test_ac_22_best_bid_and_ask_alone(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api
    ) -> None:
        market.buy(alice, 1, 50000)
        market.sell(bob, 2, 50100)
        market.drain()
        quiet = make_market()

        answer = anonymous.get(f"/instruments/{market.symbol}/best").json()
        several = anonymous.get(f"/tickers/best?symbols={quiet.symbol},{market.symbol}").json()["results"]

        assert answer == {
            "symbol": market.symbol,
            "bid": "50000.00",
            "bid_quantity": "1.0000",
            "ask": "50100.00",
            "ask_quantity": "2.0000",
            "spread": "100.00",
            "mid": "50050.000",
        }
        assert several == [dict.fromkeys(answer) | {"symbol": quiet.symbol}, answer]

    @BOTH_WAYS
    def test_counts_the_last_24_hours_and_no_more(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api, followed: bool
    ) -> None:
        now = timezone.now()
        _trade(market, alice, bob, now - timedelta(hours=24, minutes=1), 48000, "9")
        for hours, price, size in (
            (23, 50000, "0.5"),
            (12, 50500, "0.3"),
            (2, 49800, "0.2"),
            (1, 50200, "0.1"),
        ):
            _trade(market, alice, bob, now - timedelta(hours=hours), price, size)

        if followed:
            follow(now=now)

        answer = anonymous.get(f"/instruments/{market.symbol}/ticker").json()

        expected = {
            "last": "50200.00",
            "open": "50000.00",
            "high": "50500.00",
            "low": "49800.00",
            "volume": "1.1000",
            # 0.5 x 50000 + 0.3 x 50500 + 0.2 x 49800 + 0.1 x 50200
            "quote_volume": "55130.00000000",
            "trades": 4,
            "change": "200.00",
            "change_percent": "0.40",
            # 55130 / 1.1
            "average": "50118.181818",
            "bid": None,
            "spread": None,
            "mid": None,
        }
        assert {name: answer[name] for name in expected} == expected

    def test_gives_many_from_one_moment_in_the_order_asked(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api
    ) -> None:
        quiet = make_market()
        _trade(market, alice, bob, timezone.now(), 50000, "1")

        both = anonymous.get(f"/tickers?symbols={quiet.symbol},{market.symbol}").json()["results"]
        everything = anonymous.get("/tickers").json()["results"]

        assert [(row["symbol"], row["last"]) for row in both] == [
            (quiet.symbol, None),
            (market.symbol, "50000.00"),
        ]
        assert sorted(everything, key=str) == sorted(both, key=str)

    def test_costs_the_same_for_many(
        self, market: Market, anonymous: Api, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(3):
            make_market()

        # The books, the instruments, the tickers; where they are warm, the books alone.
        with django_assert_num_queries(3):
            assert len(anonymous.get("/tickers").json()["results"]) == 4
        with django_assert_num_queries(1):
            assert len(anonymous.get("/tickers").json()["results"]) == 4


class TestAveragePrice:
    @BOTH_WAYS
    def test_is_of_the_last_five_minutes_by_volume(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api, followed: bool
    ) -> None:
        now = timezone.now()
        for ago, price, size in ((400, 49000, "9"), (200, 50000, "0.3"), (10, 50010, "0.1")):
            _trade(market, alice, bob, now - timedelta(seconds=ago), price, size)
        if followed:
            follow(now=now)

        answer = anonymous.get(f"/instruments/{market.symbol}/average-price").json()

        # (0.3 x 50000 + 0.1 x 50010) / 0.4
        expected = {"price": "50002.500000", "volume": "0.4000", "trades": 2, "minutes": 5}
        assert answer == {"symbol": market.symbol} | expected

    def test_is_the_last_price_where_nobody_trades(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api
    ) -> None:
        url = f"/instruments/{market.symbol}/average-price"
        assert anonymous.get(url).json()["price"] is None

        _trade(market, alice, bob, NOW, 50100, "1")

        answer = anonymous.get(url).json()
        assert (answer["price"], answer["volume"], answer["trades"]) == ("50100.000000", "0.0000", 0)


class TestCandles:
    HOUR = datetime(2026, 3, 2, 12, tzinfo=UTC)

    @BOTH_WAYS
    def test_ac_40_one_hour(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api, followed: bool
    ) -> None:
        for minute, price in ((5, 50000), (20, 50500), (35, 49800), (59, 50200)):
            _trade(market, alice, bob, self.HOUR + timedelta(minutes=minute), price, "1")
        _trade(market, alice, bob, self.HOUR + timedelta(hours=1), 51000, "1")
        if followed:
            follow(now=NOW)

        answer = anonymous.get(
            f"/instruments/{market.symbol}/candles?interval=1h&before=2026-03-02T12:30:00Z"
        ).json()

        assert answer["results"] == [
            {
                "time": "2026-03-02T12:00:00.000000Z",
                "open": "50000.00",
                "high": "50500.00",
                "low": "49800.00",
                "close": "50200.00",
                "volume": "4.0000",
                "quote_volume": "200500.00000000",
                "taker_volume": "4.0000",
                "taker_quote_volume": "200500.00000000",
                "trades": 4,
            }
        ]

    @BOTH_WAYS
    def test_ac_41_five_minutes(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api, followed: bool
    ) -> None:
        for minute, size in ((1, "0.5"), (3, "0.3"), (6, "0.4"), (12, "0.6")):
            _trade(market, alice, bob, self.HOUR + timedelta(minutes=minute), 50000, size)
        if followed:
            follow(now=NOW)

        answer = anonymous.get(
            f"/instruments/{market.symbol}/candles?interval=5m&before=2026-03-02T12:14:59Z"
        ).json()

        assert [(row["time"][11:16], row["volume"], row["trades"]) for row in answer["results"]] == [
            ("12:00", "0.8000", 2),
            ("12:05", "0.4000", 1),
            ("12:10", "0.6000", 1),
        ]

    def test_open_and_close_follow_the_seq_where_times_are_equal(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api
    ) -> None:
        for price in (50100, 50300, 50200):
            market.sell(bob, 1, price)
            market.buy(alice, 1, price)
        market.drain()

        query = "interval=1d&before=2026-03-02T23:59:59.999999Z"
        (candle,) = anonymous.get(f"/instruments/{market.symbol}/candles?{query}").json()["results"]

        assert [candle[name] for name in ("open", "high", "low", "close")] == [
            "50100.00",
            "50300.00",
            "50100.00",
            "50200.00",
        ]

    @BOTH_WAYS
    def test_look_back_so_many_intervals_and_no_further(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api, followed: bool
    ) -> None:
        for minute in (0, 1, 2):
            _trade(market, alice, bob, self.HOUR + timedelta(minutes=minute), 50000 + minute, "1")

        url = f"/instruments/{market.symbol}/candles?interval=1m&before=2026-03-02T12:02:00Z&limit=2"
        if followed:
            follow(now=NOW)

        assert [row["open"] for row in anonymous.get(url).json()["results"]] == ["50001.00", "50002.00"]

    def test_reach_up_to_now_by_default(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, anonymous: Api
    ) -> None:
        _trade(market, alice, bob, timezone.now(), 50000, "1")

        for interval in Interval:
            asked = timezone.now()
            rows = anonymous.get(f"/instruments/{market.symbol}/candles?interval={interval}").json()[
                "results"
            ]
            # A machine may be slow, or an interval just over: then there are candles without a trade.
            assert rows[0]["volume"] == "1.0000"
            assert datetime.fromisoformat(rows[-1]["time"]) >= interval.floor(asked)


class TestIndicators:
    @pytest.mark.parametrize(
        ("query", "lines"),
        [
            ("indicator=sma&period=2", {"sma"}),
            ("indicator=ema&period=2", {"ema"}),
            ("indicator=rsi", {"rsi"}),
            ("indicator=macd&fast=2&slow=3&signal=2", {"macd", "signal", "histogram"}),
            ("indicator=bollinger&deviations=3", {"upper", "middle", "lower"}),
            ("indicator=atr", {"atr"}),
            ("indicator=vwap&period=1", {"vwap"}),
        ],
    )
    def test_have_their_lines_over_the_candles_asked_for(
        self,
        market: Market,
        alice: TradingAccount,
        bob: TradingAccount,
        anonymous: Api,
        query: str,
        lines: set[str],
    ) -> None:
        for minutes, price in ((3, 50000), (2, 50010), (0, 50020)):
            _trade(market, alice, bob, NOW - timedelta(minutes=minutes), price, "1")

        answer = anonymous.get(
            f"/instruments/{market.symbol}/indicators?{query}&interval=1m&before=2026-03-02T12:00:00Z&limit=3"
        ).json()

        assert set(answer["lines"]) == lines
        assert [time[11:16] for time in answer["times"]] == ["11:58", "11:59", "12:00"]
        assert {len(line) for line in answer["lines"].values()} == {3}
        if "period=2" in query:
            assert answer["lines"].get("sma", [50005.0])[0] == 50005.0

    def test_before_the_first_trade_are_empty(self, market: Market, anonymous: Api) -> None:
        answer = anonymous.get(f"/instruments/{market.symbol}/indicators?indicator=sma&interval=1m").json()

        assert (answer["times"], answer["lines"]) == ([], {})

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("indicator=alpha&interval=1m", "invalid_field"),
            ("interval=1m", "invalid_field"),
            ("indicator=sma", "invalid_field"),
            ("indicator=sma&interval=7m", "invalid_field"),
            ("indicator=sma&interval=1m&period=0", "invalid_field"),
            ("indicator=sma&interval=1m&period=201", "invalid_field"),
            ("indicator=sma&interval=1m&period=x", "invalid_field"),
            ("indicator=sma&interval=1m&limit=501", "invalid_field"),
            ("indicator=sma&interval=1m&fast=3", "invalid_combination"),
            ("indicator=macd&interval=1m&period=3", "invalid_combination"),
            ("indicator=macd&interval=1m&fast=26", "invalid_combination"),
        ],
    )
    def test_refuse_what_makes_no_sense(self, market: Market, anonymous: Api, query: str, code: str) -> None:
        refused(anonymous.get(f"/instruments/{market.symbol}/indicators?{query}"), code)
