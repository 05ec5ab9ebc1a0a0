"""The market page follows the feed: book, trades and ticker move, a gap is noticed and mended."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, WebSocketRoute

from audit.actor import Actor
from instruments.models import Instrument, InstrumentStatus
from instruments.selectors import rules_by_symbol
from orders.models import Book, Side, Trade
from orders.selectors import depth
from orders.services import phases
from tests.factories import Market, make_instrument
from tests.screens.conftest import Scene, _order, _send
from tests.screens.watching import Watch
from tests.tradeplatform.supervisor.waiting import wait_for

pytestmark = pytest.mark.live

URL = "/admin/market/BTCUSDT/"
LIVE = "[data-market=link]:has-text('Connected')"


def seq_shown(page: Page) -> int:
    return int(page.get_attribute("[data-market=seq]", "data-seq") or 0)


def wait_for_seq(page: Page, seq: int) -> None:
    page.wait_for_function(
        "(seq) => Number(document.querySelector('[data-market=seq]').dataset.seq) >= seq", arg=seq
    )


def stored_seq() -> int:
    return Book.objects.get(instrument__symbol="BTCUSDT").seq


def best_shown(page: Page, side: str) -> list[str]:
    """Prices on the ladder of a side, best first, as digits."""
    prices = page.eval_on_selector_all(
        f"[data-market={side}] li", "rows => rows.map(row => row.querySelector('span').textContent)"
    )
    digits = [price.replace("\u202f", "") for price in prices]
    return digits[::-1] if side == "asks" else digits


def touch_shown(page: Page) -> list[str]:
    """Best bid and ask at the top of the page, as digits."""
    return [page.inner_text(f"[data-ticker={name}]").replace("\u202f", "") for name in ("bid", "ask")]


def best_stored(side: str) -> list[str]:
    found = depth(rules_by_symbol(["BTCUSDT"])["BTCUSDT"], limit=10)
    return [f"{price:.2f}" for price, _quantity in getattr(found, side)]


def test_shows_book_trades_and_candles(scene: Scene, page: Page, watch: Watch, theme: str) -> None:
    watch.visit(URL)
    page.wait_for_selector(LIVE)
    wait_for_seq(page, stored_seq())

    assert best_shown(page, "bids") == best_stored("bids")
    assert best_shown(page, "asks") == best_stored("asks")
    assert [best_shown(page, "bids")[0], best_shown(page, "asks")[0]] == touch_shown(page)
    assert page.locator("[data-market=trades] li").count() == 8
    tickers = page.eval_on_selector_all("[data-ticker]", "all => all.map(one => one.textContent)")
    assert [value for value in tickers if not any(map(str.isdigit, value))] == []
    page.wait_for_selector("[data-market=candles] canvas >> nth=0")
    page.wait_for_selector("[data-market=depth] canvas")
    assert "TradingView" in page.inner_text(".mk-chart")
    watch.keep(f"{theme}-market")
    assert watch.problems == []


def test_shows_armed_orders_beside_the_ladder(scene: Scene, page: Page, watch: Watch, theme: str) -> None:
    watch.visit(URL)
    page.wait_for_selector(LIVE)
    page.wait_for_selector("[data-market=armed] .mk-last")

    rows = page.eval_on_selector_all(
        "[data-market=armed] li", "rows => rows.map(row => row.innerText.replaceAll('\\u202f', ''))"
    )
    shown = [" ".join(row.split()) for row in rows]
    assert shown[:2] == ["▲ 53000.00 0.9 (1)", "2 (1) ▲ 52000.00"]
    assert "▼ 48000.00 2 (2)" in shown
    assert "0.3 (1) ▼ 47000.00" in shown
    assert "armed" in page.inner_text("[data-market=armed-summary]")
    watch.keep(f"{theme}-market-armed")
    assert watch.problems == []


def test_the_ladder_names_its_middle_and_shows_half_a_tick(scene: Scene, page: Page) -> None:
    page.goto("/admin/market/BTCUSDT/")
    page.wait_for_selector("[data-market=middle]:has-text('spread')")

    middle = page.inner_text("[data-market=middle]")
    assert re.match(r"[\d\u202f]+\.\d{3} middle, spread \d+\.\d\d \(", middle)
    # In one line: in two, the bids below would jump with each change of the spread.
    lines = page.locator("[data-market=middle]").evaluate(
        "(row) => [row.clientHeight < 45, row.scrollWidth <= row.clientWidth]"
    )
    assert lines == [True, True]


def test_an_auction_counts_down_and_says_what_it_would_trade(
    scene: Scene, page: Page, watch: Watch, theme: str
) -> None:
    watch.visit(f"/admin/market/{scene.auction.symbol}/")
    page.wait_for_selector(LIVE)
    page.wait_for_selector("[data-market=phase]:has-text('more')")

    words = page.inner_text("[data-market=phase]")
    assert "It ends in" in words
    assert re.search(r"Now it would trade \d", words)
    assert "Auction" in page.inner_text("[data-market=status]")
    assert "cross" in page.inner_text("[data-market=middle]")
    assert page.inner_text("[data-ticker=spread]") == "\N{EN DASH}"
    page.wait_for_selector("[data-market=depth] canvas")
    watch.keep(f"{theme}-market-auction")
    assert watch.problems == []


@pytest.mark.parametrize("theme", ["light"], indirect=True)
def test_before_the_opening_the_desk_sees_what_it_would_trade(scene: Scene, page: Page, watch: Watch) -> None:
    instrument = make_instrument(base=scene.auction.base, quote=scene.auction.quote)
    for status in (InstrumentStatus.CLOSED, InstrumentStatus.PRE_OPEN):
        phases.request_phase(
            symbol=instrument.symbol,
            to=status,
            actor=Actor.system("screens"),
            now=timezone.now(),
            reason="the day begins",
        )
    wait_for(lambda: Instrument.objects.get(pk=instrument.pk).status == "pre_open", "the pre-opening")
    market = Market(instrument, None)  # type: ignore[arg-type]
    _send([market.request(scene.taker, Side.BUY, 2, 50010), market.request(scene.maker, Side.SELL, 1, 50000)])

    watch.visit(f"/admin/market/{instrument.symbol}/")
    page.wait_for_selector("[data-market=phase]:has-text('Now it would trade 1')")

    assert "more bids" in page.inner_text("[data-market=phase]")
    page.click("text=Phases, limits and fees")
    assert page.inner_text("h2.bo-title").startswith(instrument.symbol)
    assert watch.problems == []


@pytest.mark.parametrize("theme", ["light"], indirect=True)
def test_charts_with_nothing_to_draw_say_so_until_there_is(scene: Scene, page: Page, watch: Watch) -> None:
    instrument = make_instrument(base=scene.auction.base, quote=scene.auction.quote)
    watch.visit(f"/admin/market/{instrument.symbol}/")
    page.wait_for_selector("[data-market=candles] >> text=No trades yet")
    page.wait_for_selector("[data-market=depth] >> text=The book is empty")
    watch.keep("light-market-untraded")

    market = Market(instrument, None)  # type: ignore[arg-type]
    _send([market.request(scene.maker, Side.SELL, 2, 50000), market.request(scene.taker, Side.BUY, 1, 50000)])

    page.wait_for_selector("[data-market=candles] >> text=No trades yet", state="hidden")
    page.wait_for_selector("[data-market=depth] >> text=The book is empty", state="hidden")
    assert watch.problems == []


@pytest.mark.parametrize("theme", ["light"], indirect=True)
class TestLive:
    def test_moves_with_the_market(self, scene: Scene, page: Page, watch: Watch) -> None:
        watch.visit(URL)
        page.wait_for_selector(LIVE)
        wait_for_seq(page, stored_seq())
        best = Decimal(best_stored("asks")[0])

        _send([_order(scene.taker, Side.BUY, int(best) + 1, Decimal("0.123456"))])

        page.wait_for_selector("[data-market=trades] li >> text=0.123456")
        traded = Trade.objects.filter(instrument__symbol="BTCUSDT").order_by("-id")[0]
        wait_for_seq(page, traded.seq)
        assert best_shown(page, "asks") == best_stored("asks")
        assert page.evaluate("document.documentElement.dataset.resyncs") is None
        assert watch.problems == []

    def test_an_indicative_price_moves_and_the_end_is_told(
        self, scene: Scene, page: Page, watch: Watch
    ) -> None:
        market = Market(scene.auction, None)  # type: ignore[arg-type]
        watch.visit(f"/admin/market/{scene.auction.symbol}/")
        page.wait_for_selector("[data-market=phase]:has-text('Now it would trade')")
        before = page.inner_text("[data-market=phase]")

        market.send(market.request(scene.taker, Side.BUY, 3, 50030), now=timezone.now())

        page.wait_for_function(
            "(before) => !document.querySelector('[data-market=phase]').innerText.endsWith(before)",
            arg=before.split("Now")[1],
        )
        assert watch.problems == []

    def test_bid_and_ask_are_the_ladder_s_also_while_the_ticker_is_late(
        self, scene: Scene, page: Page
    ) -> None:
        tickers: list[str | bytes] = []

        def late(route: WebSocketRoute) -> None:
            server = route.connect_to_server()
            route.on_message(server.send)

            def to_page(text: str | bytes) -> None:
                if json.loads(text).get("channel") == "ticker":
                    tickers.append(text)
                    if len(tickers) > 1:
                        return
                route.send(text)

            server.on_message(to_page)

        page.route_web_socket(lambda url: url.endswith("/ws/v1"), late)
        page.goto(URL)
        page.wait_for_selector(LIVE)
        page.wait_for_function("() => document.querySelector('[data-ticker=last]').innerText !== '\u2013'")
        better = int(Decimal(best_stored("bids")[0])) + 1

        _send([_order(scene.taker, Side.BUY, better, Decimal("0.01"))])
        wait_for(lambda: best_shown(page, "bids")[0] == f"{better}.00", "the order on the ladder")

        assert touch_shown(page)[0] == f"{better}.00"

    def test_a_lost_message_is_noticed_and_mended(self, scene: Scene, page: Page) -> None:
        lost: list[dict[str, Any]] = []

        def lossy(route: WebSocketRoute) -> None:
            server = route.connect_to_server()
            route.on_message(server.send)

            def to_page(text: str | bytes) -> None:
                message = json.loads(text)
                if message.get("action") == "delta" and not lost:
                    lost.append(message)
                    return
                route.send(text)

            server.on_message(to_page)

        page.route_web_socket(lambda url: url.endswith("/ws/v1"), lossy)
        page.goto(URL)
        page.wait_for_selector(LIVE)
        wait_for_seq(page, stored_seq())

        for price in (48000, 48001):
            _send([_order(scene.taker, Side.BUY, price, Decimal("0.01"))])
            page.wait_for_function("() => true")
        page.wait_for_function("() => document.documentElement.dataset.resyncs === '1'")

        assert len(lost) == 1
        wait_for_seq(page, lost[0]["seq"] + 1)
        assert best_shown(page, "bids") == best_stored("bids")

    def test_a_lost_connection_comes_back(self, scene: Scene, page: Page) -> None:
        routes: list[WebSocketRoute] = []

        def through(route: WebSocketRoute) -> None:
            routes.append(route)
            server = route.connect_to_server()
            route.on_message(server.send)
            server.on_message(route.send)

        page.route_web_socket(lambda url: url.endswith("/ws/v1"), through)
        page.goto(URL)
        page.wait_for_selector(LIVE)

        routes[0].close(code=1012)
        page.wait_for_selector("[data-market=link]:has-text('Lost')")

        page.wait_for_selector(LIVE)
        assert len(routes) == 2
        wait_for_seq(page, stored_seq())

    def test_checksum_is_the_documented_one(self, page: Page, scene: Scene) -> None:
        page.goto(URL)

        found = page.evaluate(
            """async () => (await import("/static/backoffice/market/book.js")).checksum(
                [["50000.00", "1.00000"], ["50001.00", "0.20000"]], [["49999.00", "0.50000"]])"""
        )

        assert found == 3100567477

    def test_another_market_is_one_choice_away(self, scene: Scene, page: Page, watch: Watch) -> None:
        watch.visit(URL)
        other = Instrument.objects.get(symbol="DOTUSDT").symbol

        page.select_option("[data-market=symbols]", other)

        page.wait_for_url(f"**/admin/market/{other}/")
        page.wait_for_selector(LIVE)
        page.wait_for_selector("[data-market=bids] >> text=No bids.")
        assert watch.problems == []
