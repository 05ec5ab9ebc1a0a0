"""Orders of a list: what each holds, when a hold moves from one to another, and what ends whom."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts.models import TradingAccount
from accounts.services.funding import withdraw
from orders.models import EventKind, OrderType, Side, StpMode
from orders.services.requests import ListKind
from tests.factories import ACTOR, NOW, Market, make_market, money, short, stored
from tradeplatform.common.errors import Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


def holds(*order_ids: int) -> list[str]:
    return [short(stored(order_id).held) for order_id in order_ids]


def ends(*order_ids: int) -> list[tuple[str, str]]:
    """(status, reason) of each."""
    return [(stored(order_id).status, stored(order_id).reason) for order_id in order_ids]


def sell_pair(market: Market, account: TradingAccount) -> list[int]:
    """A limit sell of 4 at 50100, or a stop at 49900."""
    return market.send_list(
        ListKind.OCO,
        market.request(account, Side.SELL, 4, 50100),
        market.request(account, Side.SELL, 4, kind=OrderType.STOP, trigger=49900),
    )


def bracket(market: Market, account: TradingAccount, quantity: int = 2) -> list[int]:
    """Buy at 50000; take profit at 50500, stop the loss at 49500."""
    return market.send_list(
        ListKind.BRACKET,
        market.request(account, Side.BUY, quantity, 50000),
        market.request(account, Side.SELL, quantity, kind=OrderType.TAKE_PROFIT, trigger=50500),
        market.request(account, Side.SELL, quantity, kind=OrderType.STOP, trigger=49500),
    )


class TestPairs:
    """One cancels the other."""

    def test_two_sells_hold_once(self, market: Market) -> None:
        seller = market.trader(base=4)
        pair = sell_pair(market, seller)
        assert (holds(*pair), money(seller, market.instrument.base)) == (["4", "0"], ("4", "4"))

        market.drain()

        assert [stored(order_id).status for order_id in pair] == ["open", "pending_trigger"]
        assert [stored(order_id).partner_id for order_id in pair] == pair[::-1]
        assert [stored(order_id).list_id for order_id in pair] == [pair[0]] * 2
        assert (holds(*pair), money(seller, market.instrument.base)) == (["4", "0"], ("4", "4"))

    def test_two_buys_hold_the_greater_of_their_needs(self, market: Market) -> None:
        buyer = market.trader()
        pair = market.send_list(
            ListKind.OCO,
            market.request(buyer, Side.BUY, 1, 49000),
            market.request(buyer, Side.BUY, 1, kind=OrderType.STOP, trigger=50100),
        )
        market.drain()

        # 49000 and 0.1 %; the stop needs 55110 and 0.1 %.
        assert holds(*pair) == ["49049", "6116.11"]
        assert money(buyer, market.instrument.quote)[1] == "55165.11"

        market.amend(pair[1], buyer, trigger=50000)
        market.drain()
        assert holds(*pair) == ["49049", "6006"]

        market.cancel(pair[0], buyer)
        market.drain()
        assert ends(*pair) == [("cancelled", "client"), ("cancelled", "linked")]
        assert money(buyer, market.instrument.quote) == ("10000000", "0")

    def test_a_pair_that_arrives_in_two_batches_holds_as_one(self, market: Market) -> None:
        seller = market.trader(base=4)
        pair = sell_pair(market, seller)

        market.step()

        assert [stored(order_id).status for order_id in pair] == ["open", "pending"]
        assert (holds(*pair), money(seller, market.instrument.base)) == (["4", "0"], ("4", "4"))

    @pytest.mark.parametrize("bought", [1, 4])
    def test_one_that_trades_before_the_book_has_seen_the_other_leaves_it_nothing(
        self, market: Market, bought: int
    ) -> None:
        seller = market.trader(base=4)
        market.buy(market.trader(), bought, 50100)
        market.drain()
        pair = sell_pair(market, seller)

        market.step()
        assert (stored(pair[1]).status, holds(*pair)) == ("pending", [str(4 - bought), "0"])
        assert money(seller, market.instrument.base) == (str(4 - bought),) * 2

        market.drain()
        assert ends(pair[1]) == [("rejected", "linked")]

    def test_the_first_fill_ends_the_other_and_cuts_the_link(self, market: Market) -> None:
        seller = market.trader(base=4)
        pair = sell_pair(market, seller)
        market.buy(market.trader(), 1, 50100)
        market.drain()

        assert ends(*pair) == [("partially_filled", ""), ("cancelled", "linked")]
        assert (stored(pair[0]).partner_id, holds(*pair)) == (0, ["3", "0"])
        assert money(seller, market.instrument.base) == ("3", "3")

    def test_a_trigger_moves_the_hold_to_the_leg_that_trades(self, market: Market) -> None:
        seller = market.trader(base=4, quote=0)
        pair = sell_pair(market, seller)
        market.buy(market.trader(), 1, 49900)
        market.drain()
        market.buy(market.trader(), 3, 49800)
        market.sell(market.trader(), 1, 49900)
        market.drain()

        # The stop finds 3 at 49800; the rest finds nobody.
        assert ends(*pair) == [("cancelled", "linked"), ("cancelled", "no_liquidity")]
        assert (short(stored(pair[1]).filled), stored(pair[1]).partner_id) == ("3", 0)
        assert money(seller, market.instrument.base) == ("1", "0")

    def test_a_triggered_limit_leg_holds_what_the_other_held(self, market: Market) -> None:
        seller = market.trader(base=4)
        pair = market.send_list(
            ListKind.OCO,
            market.request(seller, Side.SELL, 4, 50100),
            market.request(seller, Side.SELL, 4, 49890, kind=OrderType.STOP_LIMIT, trigger=49900),
        )
        market.sell(market.trader(), 1, 49900)
        market.buy(market.trader(), 1, 49900)
        market.drain()

        assert ends(*pair) == [("cancelled", "linked"), ("open", "")]
        assert (holds(*pair), money(seller, market.instrument.base)) == (["0", "4"], ("4", "4"))

    def test_less_of_the_first_is_more_of_the_second(self, market: Market) -> None:
        seller = market.trader(base=4)
        pair = sell_pair(market, seller)
        market.drain()
        market.amend(pair[0], seller, quantity=1)
        market.drain()

        assert (holds(*pair), money(seller, market.instrument.base)) == (["1", "3"], ("4", "4"))

    def test_prevention_moves_the_hold_too(self, market: Market) -> None:
        seller = market.trader(base=4)
        pair = sell_pair(market, seller)
        market.buy(seller, 1, 50100, stp=StpMode.DECREMENT)
        market.drain()

        assert (ends(pair[0])[0][0], holds(*pair)) == ("open", ["3", "1"])

    def test_all_end_when_the_book_is_emptied(self, market: Market) -> None:
        seller = market.trader(base=4)
        pair = sell_pair(market, seller)
        market.drain()
        market.cancel(pair[1])
        market.drain()

        assert ends(*pair) == [("cancelled", "linked"), ("cancelled", "operator")]
        assert money(seller, market.instrument.base) == ("4", "0")


class TestBrackets:
    """Exits that grow with the fills of their entry."""

    def test_sell_exits_of_a_buy_hold_nothing_before_a_fill(self, market: Market) -> None:
        buyer = market.trader(base=0)
        entry, profit, loss = bracket(market, buyer)
        market.drain()

        assert [stored(order_id).status for order_id in (entry, profit, loss)] == [
            "open",
            "waiting",
            "waiting",
        ]
        assert [short(stored(order_id).leaves) for order_id in (entry, profit, loss)] == ["2", "0", "0"]
        assert [stored(order_id).parent_id for order_id in (entry, profit, loss)] == [0, entry, entry]
        assert holds(entry, profit, loss) == ["100100", "0", "0"]

    def test_each_fill_is_held_by_the_exits_at_once(self, market: Market) -> None:
        buyer, base = market.trader(base=0), market.instrument.base
        entry, profit, loss = bracket(market, buyer)
        market.sell(market.trader(), "0.5", 50000)
        market.drain()

        assert market.events()[-3:] == [EventKind.TRADE, EventKind.ACTIVATED, EventKind.ACTIVATED]
        assert [stored(order_id).status for order_id in (profit, loss)] == ["pending_trigger"] * 2
        assert [short(stored(order_id).leaves) for order_id in (profit, loss)] == ["0.5", "0.5"]
        assert [stored(order_id).priority for order_id in (profit, loss)] == [6, 7]
        assert (holds(entry, profit, loss), money(buyer, base)) == (["75075", "0.5", "0"], ("0.5", "0.5"))
        with pytest.raises(Refusal):
            withdraw(
                account_id=buyer.id,
                asset=base.code,
                amount=Decimal("0.1"),
                reason="wire",
                request_id="out",
                actor=ACTOR,
                now=NOW,
            )

        market.sell(market.trader(), "1.5", 50000)
        market.drain()

        assert (holds(entry, profit, loss), money(buyer, base)) == (["0", "2", "0"], ("2", "2"))
        assert [stored(order_id).priority for order_id in (profit, loss)] == [6, 7]

    def test_one_exit_ends_the_other(self, market: Market) -> None:
        buyer, base = market.trader(base=0, quote=200_000), market.instrument.base
        entry, profit, loss = bracket(market, buyer)
        market.sell(market.trader(), 2, 50000)
        market.drain()
        market.buy(market.trader(), 3, 50500)
        market.sell(market.trader(), 1, 50500)
        market.drain()

        assert ends(entry, profit, loss) == [("filled", ""), ("filled", ""), ("cancelled", "linked")]
        assert money(buyer, base) == ("0", "0")
        # Bought at 50000 as a maker, sold at 50500 as a taker.
        assert money(buyer, market.instrument.quote) == ("200849", "0")

    def test_a_triggered_exit_ends_what_is_open_of_the_entry(self, market: Market) -> None:
        buyer, base = market.trader(base=0), market.instrument.base
        entry, profit, loss = bracket(market, buyer)
        market.sell(market.trader(), "0.5", 50000)
        market.buy(market.trader(), 1, 49400)
        market.drain()
        market.cancel(market.sell(market.trader(), 1, 49500), None)
        market.drain()
        assert ends(profit)[0][0] == "pending_trigger"

        market.sell(market.trader(), 3, 49400)
        market.drain()

        assert ends(entry, profit) == [("filled", ""), ("cancelled", "linked")]
        assert stored(loss).triggered_at == NOW
        assert money(buyer, base)[0] == short(stored(entry).filled - stored(loss).filled)

    def test_an_exit_can_be_amended_once_it_is_live(self, market: Market) -> None:
        buyer, base = market.trader(base=3), market.instrument.base
        _, profit, _ = market.send_list(
            ListKind.BRACKET,
            market.request(buyer, Side.BUY, 2, 50000),
            market.request(buyer, Side.SELL, 2, 50600, kind=OrderType.TAKE_PROFIT_LIMIT, trigger=50500),
            market.request(buyer, Side.SELL, 2, kind=OrderType.STOP, trigger=49500),
        )
        market.sell(market.trader(), 2, 50000)
        market.drain()
        market.sell(market.trader(), 1, 50500)
        market.buy(market.trader(), 1, 50500)
        market.drain()
        market.amend(profit, buyer, quantity=4)
        market.drain()

        order = stored(profit)
        assert (order.status, short(order.quantity), short(order.leaves)) == ("open", "4", "4")
        assert (holds(profit), money(buyer, base)) == (["4"], ("5", "4"))

    def test_an_entry_cancelled_after_a_fill_leaves_its_exits(self, market: Market) -> None:
        buyer, base = market.trader(base=0), market.instrument.base
        entry, profit, loss = bracket(market, buyer)
        market.sell(market.trader(), "0.5", 50000)
        market.drain()
        market.cancel(entry, buyer)
        market.drain()

        assert ends(entry, profit, loss) == [
            ("cancelled", "client"),
            ("pending_trigger", ""),
            ("pending_trigger", ""),
        ]
        assert (holds(entry, profit, loss), money(buyer, base)) == (["0", "0.5", "0"], ("0.5", "0.5"))
        assert money(buyer, market.instrument.quote) == ("9974987.5", "0")

    def test_an_entry_that_ends_without_a_fill_ends_its_exits(self, market: Market) -> None:
        buyer = market.trader(base=0)
        entry, profit, loss = bracket(market, buyer)
        market.drain()
        market.cancel(entry, buyer)
        market.drain()

        assert ends(entry, profit, loss) == [
            ("cancelled", "client"),
            ("cancelled", "parent_ended"),
            ("cancelled", "parent_ended"),
        ]
        assert money(buyer, market.instrument.quote) == ("10000000", "0")

    def test_buy_exits_of_a_sell_hold_their_whole_need_from_the_start(self, market: Market) -> None:
        seller = market.trader(base=1)
        entry, profit, loss = market.send_list(
            ListKind.BRACKET,
            market.request(seller, Side.SELL, 1, 50000),
            market.request(seller, Side.BUY, 1, kind=OrderType.TAKE_PROFIT, trigger=49500),
            market.request(seller, Side.BUY, 1, kind=OrderType.STOP, trigger=50500),
        )
        # At most 54450 and 55550, each with 0.1 %; one of the two can trade.
        expected = ["1", "54504.45", "1101.1"]
        assert holds(entry, profit, loss) == expected
        market.drain()
        assert holds(entry, profit, loss) == expected

        market.buy(market.trader(), "0.25", 50000)
        market.drain()
        assert holds(entry, profit, loss) == ["0.75", *expected[1:]]

        market.cancel(entry, seller)
        market.drain()

        # Only a quarter can be bought back from here on.
        assert holds(entry, profit, loss) == ["0", "13626.1125", "275.275"]
        assert money(seller, market.instrument.quote)[1] == "13901.3875"


class TestChildren:
    """One triggers the other."""

    def test_a_sell_child_takes_its_hold_from_the_fills_of_its_buy_parent(self, market: Market) -> None:
        buyer, base = market.trader(base=0), market.instrument.base
        parent, child = market.send_list(
            ListKind.OTO,
            market.request(buyer, Side.BUY, 1, 50000),
            market.request(buyer, Side.SELL, 1, 51000),
        )
        market.sell(market.trader(), "0.4", 50000)
        market.drain()

        assert (stored(child).status, short(stored(child).leaves)) == ("waiting", "1")
        assert (holds(child), money(buyer, base)) == (["0.4"], ("0.4", "0.4"))

        market.sell(market.trader(), "0.6", 50000)
        market.drain()

        assert market.events()[-1] == EventKind.ACTIVATED
        assert (stored(child).status, stored(child).priority) == ("open", 7)
        assert (holds(parent, child), money(buyer, base)) == (["0", "1"], ("1", "1"))

    def test_what_a_child_sells_beyond_its_parent_is_held_from_the_start(self, market: Market) -> None:
        buyer, base = market.trader(base=5), market.instrument.base
        _, child = market.send_list(
            ListKind.OTO,
            market.request(buyer, Side.BUY, 1, 50000),
            market.request(buyer, Side.SELL, 3, 51000),
        )
        assert holds(child) == ["2"]
        market.drain()
        market.sell(market.trader(), 1, 50000)
        market.drain()

        assert (holds(child), money(buyer, base)) == (["3"], ("6", "3"))

    def test_a_parent_that_ends_otherwise_ends_its_child(self, market: Market) -> None:
        buyer, base = market.trader(base=0), market.instrument.base
        parent, child = market.send_list(
            ListKind.OTO,
            market.request(buyer, Side.BUY, 1, 50000),
            market.request(buyer, Side.SELL, 1, 51000),
        )
        market.sell(market.trader(), "0.4", 50000)
        market.drain()
        market.cancel(parent, buyer)
        market.drain()

        assert ends(parent, child) == [("cancelled", "client"), ("cancelled", "parent_ended")]
        assert money(buyer, base) == ("0.4", "0")

    def test_prevention_takes_from_the_parent_what_the_child_relies_on(self, market: Market) -> None:
        buyer = market.trader(base=1, trade_group=7)
        mate = market.trader(trade_group=7)
        parent, child = market.send_list(
            ListKind.OTO,
            market.request(buyer, Side.BUY, 1, 50000),
            market.request(buyer, Side.SELL, 1, 51000),
        )
        market.sell(mate, "0.4", 50000, stp=StpMode.DECREMENT)
        market.drain()

        assert ends(parent, child) == [("open", ""), ("cancelled", "parent_ended")]
        assert short(stored(parent).leaves) == "0.6"

    def test_two_children_that_are_a_pair_share_what_comes_in(self, market: Market) -> None:
        buyer, base = market.trader(base=0), market.instrument.base
        _, *pair = market.send_list(
            ListKind.OTO,
            market.request(buyer, Side.BUY, 1, 50000),
            market.request(buyer, Side.SELL, 1, 51000),
            market.request(buyer, Side.SELL, 1, kind=OrderType.STOP, trigger=49500),
        )
        market.sell(market.trader(), 1, 50000)
        market.drain()

        assert [stored(order_id).status for order_id in pair] == ["open", "pending_trigger"]
        assert (holds(*pair), money(buyer, base)) == (["1", "0"], ("1", "1"))

    def test_a_buy_child_of_a_buy_parent_holds_its_own(self, market: Market) -> None:
        buyer = market.trader()
        parent, child = market.send_list(
            ListKind.OTO,
            market.request(buyer, Side.BUY, 1, 50000),
            market.request(buyer, Side.BUY, 1, 49000),
        )
        market.drain()

        assert holds(parent, child) == ["50050", "49049"]
