"""Lists without end page by the last row seen: forward, back, filtered, and never by a count or an offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from django.test import Client

from accounts.admin.transfers import TransferAdmin
from accounts.models import TradingAccount, Transfer
from orders.admin.events import EventAdmin
from orders.admin.fills import FillAdmin
from orders.admin.orders import OrderAdmin
from orders.admin.trades import TradeAdmin
from orders.models import Event, Fill, Order, Side, Trade
from tests.admin.registry import address
from tests.factories import NOW, Market, make_market


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for page in (OrderAdmin, TransferAdmin, TradeAdmin, FillAdmin, EventAdmin):
        monkeypatch.setattr(page, "list_per_page", 3)


def read(client: Client, model: Any, query: str = "") -> Any:
    answer = client.get(address(model, "changelist") + query)
    assert answer.status_code == 200
    return answer.context["cl"]


def keys(changes: Any) -> list[int]:
    return [row.pk for row in changes.result_list]


def walk(client: Client, model: Any, query: str, towards: str) -> list[list[int]]:
    """The pages from an address on, by following the links."""
    pages: list[list[int]] = []
    following: str | None = query
    while following is not None:
        changes = read(client, model, following)
        pages.append(keys(changes))
        following = getattr(changes, towards)
    return pages


@pytest.mark.usefixtures("small_pages")
class TestOrders:
    @pytest.fixture
    def eight(self, db: None) -> list[int]:
        market = make_market()
        account = market.trader()
        return [market.buy(account, 1, 49000 + step) for step in range(8)][::-1]

    def test_older_pages_lead_to_the_end(self, boss: Client, eight: list[int]) -> None:
        assert walk(boss, Order, "", "older_url") == [eight[:3], eight[3:6], eight[6:]]

    def test_newer_pages_lead_back_the_same_way(self, boss: Client, eight: list[int]) -> None:
        pages = walk(boss, Order, f"?older={eight[5]}", "newer_url")

        assert pages == [eight[6:], eight[3:6], eight[:3]]

    def test_rows_that_arrive_meanwhile_shift_nothing(self, boss: Client, eight: list[int]) -> None:
        second = read(boss, Order).older_url
        market = Market(Order.objects.get(pk=eight[0]).instrument, make_market().shard)
        market.buy(TradingAccount.objects.get(orders__pk=eight[0]), 1, 49999)

        assert keys(read(boss, Order, second)) == eight[3:6]

    def test_filters_stay_while_paging(self, boss: Client, eight: list[int]) -> None:
        other = make_market()
        other.buy(other.trader(), 1, 49000)
        symbol = Order.objects.get(pk=eight[0]).instrument.symbol

        pages = walk(boss, Order, f"?instrument={symbol}", "older_url")

        assert pages == [eight[:3], eight[3:6], eight[6:]]

    @pytest.mark.parametrize("cursor", ["x", "-1", "0", "9" * 30, "%00", "1e5"])
    def test_a_cursor_that_is_none_shows_the_newest(
        self, cursor: str, boss: Client, eight: list[int]
    ) -> None:
        assert keys(read(boss, Order, f"?older={cursor}")) == eight[:3]
        assert keys(read(boss, Order, f"?newer={cursor}")) == eight[:3]

    def test_past_the_end_leads_back(self, boss: Client, eight: list[int]) -> None:
        changes = read(boss, Order, f"?older={eight[-1]}")

        assert keys(changes) == []
        assert keys(read(boss, Order, changes.newer_url)) == eight[5:]


@pytest.mark.usefixtures("small_pages")
class TestTrades:
    @pytest.fixture
    def seven(self, db: None) -> list[int]:
        """Trades in two books by turns, a second apart; two of them at one moment."""
        markets = [make_market(), make_market()]
        moments = [0, 1, 2, 3, 4, 4, 5]
        for turn, second in enumerate(moments):
            market, now = markets[turn % 2], NOW + timedelta(seconds=second)
            seller, buyer = market.trader(), market.trader()
            market.send(market.request(seller, Side.SELL, 1, 50000), now=now)
            market.send(market.request(buyer, Side.BUY, 1, 50000), now=now)
            market.drain(now=now)
        return list(Trade.objects.order_by("-at", "-id").values_list("id", flat=True))

    def test_books_are_merged_by_time(self, boss: Client, seven: list[int]) -> None:
        assert len(seven) == 7
        assert walk(boss, Trade, "", "older_url") == [seven[:3], seven[3:6], seven[6:]]

    def test_newer_pages_lead_back_the_same_way(self, boss: Client, seven: list[int]) -> None:
        last = read(boss, Trade, read(boss, Trade, read(boss, Trade).older_url).older_url)

        assert walk(boss, Trade, last.newer_url, "newer_url") == [seven[3:6], seven[:3]]

    def test_one_book_and_its_days(self, boss: Client, seven: list[int]) -> None:
        symbol = Trade.objects.get(pk=seven[0]).instrument.symbol
        own = [pk for pk in seven if Trade.objects.get(pk=pk).instrument.symbol == symbol]

        assert list(chain(*walk(boss, Trade, f"?instrument={symbol}", "older_url"))) == own
        assert keys(read(boss, Trade, "?from=2026-03-02&to=2026-03-02")) == seven[:3]
        assert keys(read(boss, Trade, "?from=2026-03-03")) == []

    def test_search_finds_by_trade_and_by_order(self, boss: Client, seven: list[int]) -> None:
        trade = Trade.objects.get(pk=seven[2])

        assert keys(read(boss, Trade, f"?q={trade.pk}")) == [trade.pk]
        assert keys(read(boss, Trade, f"?q={trade.buy_order_id}")) == [trade.pk]
        assert keys(read(boss, Trade, "?q=nonsense")) == []


@pytest.mark.usefixtures("small_pages")
def test_transfers_of_an_account_are_read_from_both_sides(boss: Client) -> None:
    market = make_market()
    seller, buyer = market.trader(), market.trader()
    market.sell(seller, 1, 50000)
    market.buy(buyer, 1, 50000)
    market.drain()
    whole = Transfer.objects.order_by("-id")
    own = [row.pk for row in whole if seller in {row.debit.account, row.credit.account}]
    # Base and quote came in, base went out, quote came in, the fee went out.
    assert len(own) == 5

    pages = walk(boss, Transfer, f"?account={seller.account_number}", "older_url")
    assert pages == [own[:3], own[3:]]
    kinds = walk(boss, Transfer, f"?account={seller.account_number}&kind=deposit", "older_url")
    assert kinds == [own[3:]]
    assert keys(read(boss, Transfer, "?account=nobody")) == []


@pytest.mark.usefixtures("small_pages")
def test_events_of_an_order_are_read_as_taker_and_maker(boss: Client) -> None:
    market = make_market()
    seller, buyer = market.trader(), market.trader()
    maker = market.sell(seller, 2, 50000)
    market.buy(buyer, 1, 50000)
    market.buy(buyer, "0.5", 50000)
    market.drain()
    market.cancel(maker, seller)
    market.drain()
    expected = [
        event.pk
        for event in Event.objects.order_by("-seq")
        if maker in {event.order_id, event.maker_order_id}
    ]
    assert len(expected) == 4

    assert walk(boss, Event, f"?order={maker}", "older_url") == [expected[:3], expected[3:]]
    assert keys(read(boss, Event, "?order=junk")) == []


def test_events_begin_with_the_book_that_moved_last(boss: Client) -> None:
    quiet, busy = make_market(), make_market()
    for market, second in ((quiet, 1), (busy, 2)):
        market.send(
            market.request(market.trader(), Side.BUY, 1, 49000),
            now=NOW + timedelta(seconds=second),
        )
        market.drain(now=NOW + timedelta(seconds=second))

    assert {event.instrument_id for event in read(boss, Event).result_list} == {busy.instrument.pk}
    chosen = read(boss, Event, f"?book={quiet.symbol}")
    assert {event.instrument_id for event in chosen.result_list} == {quiet.instrument.pk}


@pytest.mark.usefixtures("small_pages")
class TestFiltersWithoutAnIndex:
    """One page looks through a bounded number of ids, and its links lead on from where it stopped."""

    @pytest.fixture
    def sparse(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Twelve buys, of which the first, second and ninth were cancelled; a page looks through five ids."""
        monkeypatch.setattr(OrderAdmin, "reach", 5)
        market = make_market()
        account = market.trader()
        ids = [market.buy(account, 1, 49000) for _ in range(12)]
        market.drain()
        for place in (0, 1, 8):
            market.cancel(ids[place], account)
        market.drain()
        assert ids == list(range(ids[0], ids[0] + 12))
        return ids

    def test_pages_lead_on_through_what_does_not_match(self, boss: Client, sparse: list[int]) -> None:
        pages = walk(boss, Order, "?status=cancelled", "older_url")

        assert [page for page in pages if page] == [[sparse[8]], [sparse[1], sparse[0]]]

    def test_and_back(self, boss: Client, sparse: list[int]) -> None:
        pages = walk(boss, Order, f"?status=cancelled&older={sparse[0]}", "newer_url")

        assert list(chain(*pages)) == [sparse[1], sparse[0], sparse[8]]

    def test_an_empty_stretch_says_so_and_leads_on(self, boss: Client, sparse: list[int]) -> None:
        answer = boss.get(address(Order, "changelist"), {"status": "rejected"})

        assert "Nothing among the 5 newest from here." in answer.content.decode()
        assert answer.context["cl"].older_url is not None

    def test_a_filter_with_an_index_is_not_bounded(self, boss: Client, sparse: list[int]) -> None:
        account = Order.objects.get(pk=sparse[0]).account

        changes = read(boss, Order, f"?status=cancelled&account={account.account_number}")

        assert keys(changes) == [sparse[8], sparse[1], sparse[0]]
        assert changes.reach is None


class TestOrderSearch:
    def test_by_id_client_id_and_account(self, boss: Client) -> None:
        market = make_market()
        account, other = market.trader(), market.trader()
        first = market.buy(account, 1, 49000, client_order_id="mine")
        second = market.buy(other, 1, 49000, client_order_id="mine")
        third = market.buy(other, 1, 48000, client_order_id="12345")

        assert keys(read(boss, Order, f"?q={first}")) == [first]
        assert keys(read(boss, Order, "?q=mine")) == [second, first]
        assert keys(read(boss, Order, "?q=12345")) == [third]
        assert keys(read(boss, Order, f"?q={other.account_number}")) == [third, second]

    @pytest.mark.parametrize("term", ["no-such", "9" * 40, "'; DROP TABLE", "\u202e", "%"])
    def test_of_nothing_finds_nothing(self, term: str, boss: Client) -> None:
        market = make_market()
        market.buy(market.trader(), 1, 49000)

        answer = boss.get(address(Order, "changelist"), {"q": term})

        assert answer.status_code == 200
        assert keys(answer.context["cl"]) == []


class TestOrderFilters:
    @pytest.fixture
    def two_days(self, db: None) -> dict[str, int]:
        market = make_market()
        account = market.trader()
        first = market.send(
            market.request(account, Side.BUY, 1, 49000),
            now=datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC),
        ).order_id
        second = market.send(
            market.request(account, Side.SELL, 1, 51000),
            now=datetime(2026, 3, 2, tzinfo=UTC),
        ).order_id
        market.drain()
        return {"first": first, "second": second}

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("", ["second", "first"]),
            ("?from=2026-03-02", ["second"]),
            ("?to=2026-03-01", ["first"]),
            ("?from=2026-03-01&to=2026-03-01", ["first"]),
            ("?from=nonsense&to=2026-13-40", ["second", "first"]),
            ("?side=buy", ["first"]),
            ("?status=live", ["second", "first"]),
            ("?status=filled", []),
            ("?status=nonsense", ["second", "first"]),
            ("?source=api&side=sell", ["second"]),
            ("?account=nobody", []),
        ],
    )
    def test_narrow(self, query: str, names: list[str], boss: Client, two_days: dict[str, int]) -> None:
        assert keys(read(boss, Order, query)) == [two_days[name] for name in names]

    def test_fill_filters(self, boss: Client) -> None:
        market = make_market()
        seller, buyer = market.trader(), market.trader()
        market.sell(seller, 1, 50000)
        taker = market.buy(buyer, 1, 50000)
        market.drain()
        by_side = {fill.side: fill.pk for fill in Fill.objects.all()}

        assert keys(read(boss, Fill, f"?account={buyer.account_number}")) == [by_side["buy"]]
        assert keys(read(boss, Fill, f"?order={taker}")) == [by_side["buy"]]
        assert keys(read(boss, Fill, "?liquidity=maker")) == [by_side["sell"]]
