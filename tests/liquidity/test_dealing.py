"""Netting and hedging, partial and opposite closes, reversal, exits: positions and exact money, once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from accounts.models import Deal, DealRequest, LedgerKind, Position, PositionMode, TradingAccount, Transfer
from accounts.services import standing
from accounts.services.funding import withdraw
from audit.models import AuditRecord
from liquidity.services import dealing
from tests.factories import ACTOR, NOW, make_asset, make_group, short
from tests.liquidity.floor import (
    Floor,
    all_dealt,
    balance,
    figures,
    house,
    money_lines,
    only_open,
)
from tradeplatform.common.errors import Code, Refusal


@pytest.fixture
def net(floor: Floor) -> TradingAccount:
    return floor.account()


@pytest.fixture
def hedge(floor: Floor) -> TradingAccount:
    return floor.account(hedging=True)


def refused(work: Callable[[], Any]) -> Refusal:
    before = all_dealt()
    with pytest.raises(Refusal) as caught:
        work()
    assert all_dealt() == before
    return caught.value


def open_ones(account: TradingAccount) -> list[Position]:
    return list(Position.objects.filter(account=account, closed_at__isnull=True).order_by("id"))


def shape(position: Position) -> tuple[str, str, str]:
    return position.direction, short(position.volume), short(position.cost)


class TestNetting:
    def test_the_same_side_adds_at_the_average(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "1")
        floor.quote("EURUSD", "1.1100", "1.1102")
        floor.buy(net, "0.5")

        assert shape(only_open(net)) == ("long", "1.5", "1.6553")
        floor.quote("EURUSD", "1.1200", "1.1202")
        deals = floor.close(only_open(net))
        # 1.5 x 1.12 - 1.6553 = 0.0247 a unit, of a contract of 100,000.
        assert (figures(deals), balance(net)) == ([("close", "1.5", "1.12", "2470")], "12470")

    def test_the_other_side_reduces(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "1")

        deals = floor.sell(net, "0.4")

        assert figures(deals) == [("close", "0.4", "1.1", "-8")]
        assert shape(only_open(net)) == ("long", "0.6", "0.66012")

    def test_the_other_side_closes(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "1")

        floor.sell(net, "1")

        assert (open_ones(net), balance(net)) == ([], "9980")
        assert (Position.objects.get().volume, Position.objects.get().cost) == (0, 0)

    def test_flips_through_zero(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.4")
        floor.quote("EURUSD", "1.1100", "1.1102")

        deals = floor.sell(net, "1")

        assert figures(deals) == [("close", "0.4", "1.11", "392"), ("open", "0.6", "1.11", "0")]
        assert shape(only_open(net)) == ("short", "0.6", "0.666")
        assert Position.objects.filter(account=net).count() == 2
        assert {deal.request_id for deal in deals} == {deals[0].request_id}

    def test_a_flip_whose_rest_needs_too_much_is_refused_whole(
        self, floor: Floor, net: TradingAccount
    ) -> None:
        floor.buy(net, "0.4")

        refusal = refused(lambda: floor.sell(net, "20"))

        assert refusal.code == Code.INSUFFICIENT_MARGIN

    def test_many_unround_parts_cost_together_what_was_paid(self, floor: Floor, net: TradingAccount) -> None:
        for _ in range(3):
            floor.buy(net, "0.01")
            floor.quote("EURUSD", "1.10003", "1.10007")
        position = only_open(net)

        parts = [floor.close(position, "0.01")[0] for _ in range(3)]

        opened = Deal.objects.filter(position=position, kind="open")
        assert sum(part.cost for part in parts) == -sum(deal.cost for deal in opened)

    def test_the_database_keeps_one_open(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "1")
        row = Position.objects.get()

        with pytest.raises(IntegrityError, match="position_netting_one_open"), transaction.atomic():
            Position.objects.create(
                account=net, instrument=row.instrument, direction="long", netting=True, volume=1,
                contract_size=1, cost=1, opened_at=NOW,
            )  # fmt: skip


class TestHedging:
    def test_each_deal_is_a_position(self, floor: Floor, hedge: TradingAccount) -> None:
        floor.buy(hedge, "1")
        floor.sell(hedge, "0.4")
        floor.buy(hedge, "0.1")

        assert [shape(each)[:2] for each in open_ones(hedge)] == [
            ("long", "1"),
            ("short", "0.4"),
            ("long", "0.1"),
        ]

    def test_close_by_saves_the_spread(self, floor: Floor, hedge: TradingAccount) -> None:
        floor.buy(hedge, "1")
        floor.quote("EURUSD", "1.1100", "1.1102")
        floor.sell(hedge, "0.4")
        long, other = open_ones(hedge)

        deals = dealing.close_by(floor.ask(hedge), position_id=long.pk, opposite_id=other.pk)

        assert figures(deals) == [("close_by", "0.4", "1.11", "392"), ("close_by", "0.4", "1.11", "0")]
        assert [shape(each)[:2] for each in open_ones(hedge)] == [("long", "0.6")]
        assert (balance(hedge), house(hedge.currency, LedgerKind.DEALING)) == ("10392", "-392")

    @pytest.mark.parametrize("other", ["same side", "itself", "another instrument"])
    def test_close_by_what_is_no_opposite_is_refused(
        self, floor: Floor, hedge: TradingAccount, other: str
    ) -> None:
        floor.buy(hedge, "0.1")
        floor.buy(hedge, "0.1") if other == "same side" else floor.sell(hedge, "0.1", "ETHUSD")
        first, second = open_ones(hedge)
        opposite = first if other == "itself" else second

        refusal = refused(
            lambda: dealing.close_by(floor.ask(hedge), position_id=first.pk, opposite_id=opposite.pk)
        )

        assert refusal.code == Code.INVALID_COMBINATION

    def test_reverse_closes_and_opens_the_other_way(self, floor: Floor, hedge: TradingAccount) -> None:
        floor.buy(hedge, "0.5")
        floor.quote("EURUSD", "1.1010", "1.1012")

        deals = dealing.reverse_position(floor.ask(hedge), position_id=only_open(hedge).pk)

        assert figures(deals) == [("close", "0.5", "1.101", "40"), ("open", "0.5", "1.101", "0")]
        assert [deal.buys for deal in deals] == [False, False]
        assert shape(only_open(hedge)) == ("short", "0.5", "0.5505")
        assert money_lines(deals[0]) == [("deal_pnl", "dealing", "client", "40")]

    def test_the_mode_stays_while_positions_are_open(self, floor: Floor, hedge: TradingAccount) -> None:
        floor.buy(hedge, "0.1")

        how: dict[str, Any] = {"actor": ACTOR, "now": NOW, "reason": "asked"}
        netting = PositionMode.NETTING

        refusal = refused(lambda: standing.change_mode(account_id=hedge.pk, mode=netting, **how))

        assert refusal.code == Code.ACCOUNT_IN_USE


class TestCloseAll:
    def test_closes_everything_in_one_entry_each(self, floor: Floor, hedge: TradingAccount) -> None:
        floor.buy(hedge, "0.1")
        floor.sell(hedge, "0.2", "XAUUSD")

        deals = dealing.close_all(floor.ask(hedge))

        assert figures(deals) == [("close", "0.1", "1.1", "-2"), ("close", "0.2", "2401", "-20")]
        assert (open_ones(hedge), balance(hedge)) == ([], "9978")
        assert len({deal.entry_id for deal in deals}) == 2

    def test_closes_one_instrument(self, floor: Floor, hedge: TradingAccount) -> None:
        floor.buy(hedge, "0.1")
        floor.buy(hedge, "0.2", "XAUUSD")

        dealing.close_all(floor.ask(hedge), symbol="XAUUSD")

        assert [each.instrument.symbol for each in open_ones(hedge)] == ["EURUSD"]

    def test_all_or_none(self, floor: Floor, hedge: TradingAccount) -> None:
        floor.buy(hedge, "0.1")
        floor.buy(hedge, "0.2", "XAUUSD")
        floor.now = floor.now.replace(minute=floor.now.minute + 2)
        floor.quote("EURUSD", "1.1", "1.1002", at=floor.now)

        assert refused(lambda: dealing.close_all(floor.ask(hedge))).code == Code.NO_PRICE

    def test_of_nothing_is_no_change(self, floor: Floor, hedge: TradingAccount) -> None:
        assert refused(lambda: dealing.close_all(floor.ask(hedge))).code == Code.NO_CHANGE


class TestClosing:
    @pytest.mark.parametrize(
        ("volume", "code"),
        [
            ("0.11", Code.QUANTITY_TOO_LARGE),
            ("0.005", Code.QUANTITY_NOT_ON_STEP),
            ("0", Code.INVALID_NUMBER),
            ("-0.1", Code.INVALID_NUMBER),
        ],
    )
    def test_a_part_that_is_none_is_refused(
        self, floor: Floor, net: TradingAccount, volume: str, code: Code
    ) -> None:
        floor.buy(net, "0.1")

        assert refused(lambda: floor.close(only_open(net), volume)).code == code

    def test_what_is_closed_is_not_open(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1")
        position = only_open(net)
        floor.close(position)

        assert refused(lambda: floor.close(position)).code == Code.POSITION_NOT_OPEN

    def test_anothers_position_is_not_there(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1")
        position, other = only_open(net), floor.account()

        refusal = refused(lambda: dealing.close_position(floor.ask(other), position_id=position.pk))

        assert refusal.code == Code.POSITION_NOT_FOUND

    def test_a_locked_account_may_close(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1")
        TradingAccount.objects.filter(pk=net.pk).update(is_locked=True)

        floor.close(only_open(net))

        assert open_ones(net) == []

    @pytest.mark.parametrize("change", ["update", "delete"])
    def test_a_closed_position_is_final(self, floor: Floor, net: TradingAccount, change: str) -> None:
        floor.buy(net, "0.1")
        floor.close(only_open(net))
        rows = Position.objects.filter(account=net)

        with pytest.raises(ProgrammingError, match="Cannot"), transaction.atomic():
            rows.update(pnl=0) if change == "update" else rows._raw_delete("default")


class TestExits:
    def test_break_even_is_the_entry(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1", take_profit="1.2")
        floor.quote("EURUSD", "1.1050", "1.1052")

        dealing.break_even(floor.ask(net), position_id=only_open(net).pk)

        position = only_open(net)
        assert (short(position.stop_loss or Decimal(0)), position.take_profit) == ("1.1002", Decimal("1.2"))

    def test_break_even_of_an_unround_average_is_not_at_a_loss(
        self, floor: Floor, net: TradingAccount
    ) -> None:
        floor.sell(net, "0.01")
        floor.quote("EURUSD", "1.10001", "1.10003")
        floor.sell(net, "0.02")
        floor.quote("EURUSD", "1.0900", "1.0902")

        dealing.break_even(floor.ask(net), position_id=only_open(net).pk)

        # The average is 1.10000666...; a short gains below it.
        assert only_open(net).stop_loss == Decimal("1.1")

    @pytest.mark.parametrize("buys", [True, False])
    @pytest.mark.parametrize(("symbol", "currency"), [("EURUSD", "USD"), ("XAUUSD", "EUR")])
    @pytest.mark.parametrize(
        "terms",
        [
            {"commission_per_contract": Decimal(5)},
            {"commission_rate": Decimal("0.001")},
            {"commission_minimum": Decimal("12.34")},
        ],
        ids=str,
    )
    def test_break_even_pays_for_what_it_cost(
        self, floor: Floor, terms: dict[str, Decimal], symbol: str, currency: str, buys: bool
    ) -> None:
        """Closed at the stop at least all is there again; a tick before it, less would have been."""
        group = make_group(commission_asset=floor.assets["USD"], **terms)
        first, second = (floor.account(50_000, currency=currency, group=group) for _ in range(2))
        tick = floor.instruments[symbol].tick_size
        for account in (first, second):
            floor.deal(account, "0.1", symbol, buys=buys)
        entry = only_open(first).cost / Decimal("0.1")
        gains = entry * (Decimal("1.1") if buys else Decimal("0.9"))
        floor.quote(symbol, f"{gains:.2f}", f"{gains:.2f}")
        dealing.break_even(floor.ask(first), position_id=only_open(first).pk)
        stop = only_open(first).stop_loss or Decimal(0)

        for account, price in ((first, stop), (second, stop - tick if buys else stop + tick)):
            floor.quote(symbol, str(price), str(price))
            floor.close(only_open(account))

        assert Decimal(balance(first)) >= 50_000 > Decimal(balance(second))

    def test_what_no_price_pays_for_has_no_break_even(self, floor: Floor) -> None:
        """A short of 0.01 contracts that cost 3,000: at a price of nothing it would gain 1,100."""
        group = make_group(commission_asset=floor.assets["USD"], commission_minimum=Decimal(1_500))
        account = floor.account(group=group)
        floor.sell(account, "0.01")

        refusal = refused(lambda: dealing.break_even(floor.ask(account), position_id=only_open(account).pk))

        assert (refusal.code, refusal.message) == (
            Code.EXIT_PRICE_REACHED,
            "No price would pay for what the position has cost.",
        )

    def test_break_even_counts_the_nights(self, floor: Floor, net: TradingAccount) -> None:
        """0.1 of a contract of 100,000 for ten nights at 2.50: 2.50 over 10,000 units are 2.5 points."""
        floor.buy(net, "0.1")
        position = only_open(net)
        Position.objects.filter(pk=position.pk).update(swap=Decimal("-2.50"))
        floor.quote("EURUSD", "1.1050", "1.1052")

        dealing.break_even(floor.ask(net), position_id=position.pk)

        assert only_open(net).stop_loss == Decimal("1.10045")

    def test_break_even_of_a_loser_is_refused(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1")

        refusal = refused(lambda: dealing.break_even(floor.ask(net), position_id=only_open(net).pk))

        assert (refusal.code, refusal.context["price"]) == (Code.EXIT_PRICE_REACHED, "1.1")

    @pytest.mark.parametrize(
        ("buys", "stop_loss", "take_profit", "code"),
        [
            (True, "1.1", None, Code.EXIT_PRICE_REACHED),
            (True, None, "1.1", Code.EXIT_PRICE_REACHED),
            (False, "1.1002", None, Code.EXIT_PRICE_REACHED),
            (False, None, "1.1002", Code.EXIT_PRICE_REACHED),
            (True, "1.099999", None, Code.PRICE_NOT_ON_TICK),
            (True, "0", None, Code.INVALID_NUMBER),
            (True, None, "NaN", Code.INVALID_NUMBER),
        ],
    )
    def test_exits_that_are_none_open_nothing(
        self,
        floor: Floor,
        net: TradingAccount,
        buys: bool,
        stop_loss: str | None,
        take_profit: str | None,
        code: Code,
    ) -> None:
        def ask() -> object:
            return floor.deal(net, "0.1", "EURUSD", buys=buys, stop_loss=stop_loss, take_profit=take_profit)

        assert refused(ask).code == code

    def test_are_replaced_and_taken_away(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1", stop_loss="1.09")
        position = only_open(net)

        floor.amend(net, stop_loss=None, take_profit="1.2")

        position.refresh_from_db()
        assert (position.stop_loss, position.take_profit) == (None, Decimal("1.2"))


class TestOnce:
    """One request id, one effect."""

    def test_the_same_again_is_the_same_deals(self, floor: Floor, net: TradingAccount) -> None:
        first = floor.buy(net, "0.1", request_id="one")
        before = all_dealt()

        again = floor.buy(net, "0.10", request_id="one")

        assert [deal.pk for deal in again] == [deal.pk for deal in first]
        assert all_dealt() == before

    def test_a_repeat_of_a_flip_has_both_deals(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1")
        first = floor.sell(net, "0.3", request_id="flip")
        floor.buy(net, "0.1")

        again = floor.sell(net, "0.3", request_id="flip")

        assert [deal.pk for deal in again] == [deal.pk for deal in first]
        assert len(again) == 2

    def test_of_exits_too(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1")
        floor.amend(net, "exits", stop_loss="1.05")
        floor.amend(net, stop_loss="1.06")

        floor.amend(net, "exits", stop_loss="1.05")

        assert only_open(net).stop_loss == Decimal("1.06")

    @pytest.mark.parametrize("how", ["volume", "side", "symbol", "act"])
    def test_another_payload_is_a_conflict(self, floor: Floor, net: TradingAccount, how: str) -> None:
        floor.buy(net, "0.1", request_id="one")
        position = only_open(net)
        works: dict[str, Callable[[], Any]] = {
            "volume": lambda: floor.buy(net, "0.2", request_id="one"),
            "side": lambda: floor.sell(net, "0.1", request_id="one"),
            "symbol": lambda: floor.buy(net, "0.1", "ETHUSD", request_id="one"),
            "act": lambda: floor.close(position, request_id="one"),
        }

        refusal = refused(works[how])

        assert (refusal.code, refusal.status) == (Code.REQUEST_ID_CONFLICT, 409)

    def test_an_id_is_an_accounts_own(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1", request_id="one")

        floor.buy(floor.account(), "0.2", request_id="one")

        assert DealRequest.objects.filter(request_id="one").count() == 2

    def test_a_refused_request_leaves_its_id_free(self, floor: Floor, net: TradingAccount) -> None:
        refused(lambda: floor.buy(net, "90", request_id="one"))

        assert floor.buy(net, "0.1", request_id="one")


class TestTerms:
    def test_markup_moves_both_prices_away(self, floor: Floor) -> None:
        account = floor.account(group=make_group(markup_steps=5))

        opened = floor.buy(account, "0.1")
        closed = floor.close(only_open(account))

        assert (short(opened[0].price or Decimal(0)), short(closed[0].price or Decimal(0))) == (
            "1.10025",
            "1.09995",
        )

    def test_commission_by_contract_both_ways(self, floor: Floor) -> None:
        group = make_group(commission_asset=floor.assets["USD"], commission_per_contract=Decimal(5))
        account = floor.account(group=group)

        (opened,) = floor.buy(account, "0.5")
        (closed,) = floor.close(only_open(account))

        assert money_lines(opened) == [("commission", "client", "fee", "2.5")]
        assert money_lines(closed) == [
            ("deal_pnl", "client", "dealing", "10"),
            ("commission", "client", "fee", "2.5"),
        ]
        assert (balance(account), house(account.currency, LedgerKind.FEE)) == ("9985", "5")
        assert short(Position.objects.get(account=account).commission) == "5"

    def test_commission_by_share_with_a_minimum_in_another_currency(self, floor: Floor) -> None:
        group = make_group(
            commission_asset=floor.assets["EUR"],
            commission_rate=Decimal("0.0001"),
            commission_minimum=Decimal(5),
        )
        account = floor.account(group=group)

        (large,) = floor.buy(account, "1")
        (small,) = floor.buy(account, "0.01", "ETHUSD")

        # A basis point of 110020; at least 5 EUR, bought at 1.1002.
        assert (short(large.commission), short(small.commission)) == ("11", "5.5")

    def test_an_exception_beats_the_group(self, floor: Floor) -> None:
        group = make_group(
            markup_steps=5, commission_asset=floor.assets["USD"], commission_per_contract=Decimal(5)
        )
        group.instruments.create(
            instrument=floor.instruments["EURUSD"], markup_steps=0, commission_per_contract=Decimal(1),
            margin_rate=Decimal("0.5"), max_volume=Decimal("0.2"),
        )  # fmt: skip
        account = floor.account(100_000, group=group)

        (deal,) = floor.buy(account, "0.2")

        assert (short(deal.price or Decimal(0)), short(deal.commission)) == ("1.1002", "0.2")
        assert short(floor.margin(account).standing.margin) == "11002"
        assert refused(lambda: floor.buy(account, "0.21")).code == Code.QUANTITY_TOO_LARGE

    def test_what_is_disabled_opens_nothing_but_closes(self, floor: Floor) -> None:
        group = make_group()
        account = floor.account(group=group)
        floor.buy(account, "0.1")
        group.instruments.create(instrument=floor.instruments["EURUSD"], is_enabled=False)

        assert refused(lambda: floor.buy(account, "0.1")).code == Code.INSTRUMENT_NOT_ENABLED
        floor.close(only_open(account))
        assert open_ones(account) == []

    def test_a_tier_asks_for_more(self, floor: Floor, net: TradingAccount) -> None:
        eurusd = floor.instruments["EURUSD"]
        eurusd.margin_tiers.create(from_notional=Decimal(200_000), rate=Decimal("0.02"))
        floor.buy(net, "1")
        assert short(floor.margin(net).standing.margin) == "1100.2"

        floor.buy(net, "1")

        assert short(floor.margin(net).standing.margin) == "4400.8"

    def test_the_methods_of_a_group(self, floor: Floor) -> None:
        group = make_group()
        account = floor.account(100_000, hedging=True, group=group)
        floor.quote("EURUSD", "1.1", "1.1")
        floor.buy(account, "1")
        floor.sell(account, "0.6")

        needed = {}
        for method in ("retail", "portfolio", "scenario"):
            type(group).objects.filter(pk=group.pk).update(margin_method=method)
            needed[method] = short(floor.margin(account).standing.margin)

        # 1760; less 0.8 x 2 x 660, at least half; 3.3 deviations of 2 % of the net 44000.
        assert needed == {"retail": "1760", "portfolio": "880", "scenario": "2904"}


class TestReserved:
    """What positions need can be neither withdrawn nor spent, and is promised once."""

    def withdraw(self, floor: Floor, account: TradingAccount, amount: str) -> object:
        return withdraw(
            account_id=account.pk, asset="USD", amount=Decimal(amount), reason="asked",
            request_id=f"w{amount}", actor=ACTOR, now=floor.now,
        )  # fmt: skip

    def test_margin_and_losses_stay(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1")

        # 110.02 of margin and 2.00 of spread.
        assert refused(lambda: self.withdraw(floor, net, "9887.99")).code == Code.INSUFFICIENT_FUNDS
        self.withdraw(floor, net, "9887.98")
        assert refused(lambda: floor.buy(net, "0.01")).code == Code.INSUFFICIENT_MARGIN

    def test_all_is_free_after_the_close(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1")
        floor.close(only_open(net))

        self.withdraw(floor, net, "9998")
        assert balance(net) == "0"

    def test_what_is_held_is_not_margin(self, floor: Floor) -> None:
        account = floor.account(200)
        account.ledger_accounts.update(held=Decimal(90))

        refusal = refused(lambda: floor.buy(account, "0.1"))

        assert (refusal.code, refusal.context["held"]) == (Code.INSUFFICIENT_MARGIN, "90")
        account.ledger_accounts.update(held=Decimal("87.98"))
        assert floor.buy(account, "0.1")


class TestCover:
    """A client never owes: credit goes first, then protection pays."""

    def test_credit_is_equity_but_pays_no_commission(self, floor: Floor) -> None:
        group = make_group(commission_asset=floor.assets["USD"], commission_per_contract=Decimal(5))
        account = floor.account(0, group=group)
        floor.lend(account, "1000")

        assert refused(lambda: floor.buy(account, "0.1")).code == Code.INSUFFICIENT_MARGIN

    def test_a_loss_takes_balance_then_credit_then_protection(self, floor: Floor) -> None:
        account = floor.account(100)
        floor.lend(account, "50")
        floor.buy(account, "0.1")
        floor.quote("EURUSD", "1.0800", "1.0802")

        (deal,) = floor.close(only_open(account))

        # 0.0202 x 10,000 lost; 100 own, 50 lent.
        assert short(deal.pnl) == "-202"
        assert money_lines(deal) == [
            ("protection", "credit", "client", "50"),
            ("protection", "protection", "client", "52"),
            ("deal_pnl", "client", "dealing", "202"),
        ]
        assert (balance(account), balance(account, LedgerKind.CREDIT)) == ("0", "0")
        assert house(account.currency, LedgerKind.PROTECTION) == "-52"


class TestCurrencies:
    def test_usdjpy_in_a_dollar_account(self, floor: Floor, net: TradingAccount) -> None:
        floor.buy(net, "0.1", "USDJPY")
        # 0.1 x 100,000 x 150.020 yen / 100, in dollars at 150.010.
        assert short(floor.margin(net).standing.margin) == "100.01"
        floor.quote("USDJPY", "151.020", "151.040")

        (deal,) = floor.close(only_open(net))

        # 10,000 yen gained are sold for dollars, which are bought at 151.040.
        assert (short(deal.profit), short(deal.pnl), balance(net)) == ("10000", "66.21", "10066.21")

    def test_a_loss_in_yen_is_bought_at_bid(self, floor: Floor, net: TradingAccount) -> None:
        floor.sell(net, "0.1", "USDJPY")
        floor.quote("USDJPY", "150.980", "151.000")

        (deal,) = floor.close(only_open(net))

        # 10,000 yen are owed and bought with dollars sold at 150.980.
        assert (short(deal.profit), short(deal.pnl)) == ("-10000", "-66.23")

    def test_gold_in_a_euro_account(self, floor: Floor) -> None:
        account = floor.account(currency="EUR")
        floor.buy(account, "0.5", "XAUUSD")
        # 0.5 x 100 x 2401 / 100 dollars, in euros at 1.1001.
        assert short(floor.margin(account).standing.margin) == "1091.26"
        floor.quote("XAUUSD", "2421.00", "2422.00")

        (deal,) = floor.close(only_open(account))

        # 1000 dollars are sold for euros at 1.1002.
        assert (short(deal.profit), short(deal.pnl), balance(account)) == ("1000", "908.93", "10908.93")

    def test_without_a_rate_nothing_is_opened(self, floor: Floor) -> None:
        floor.assets["XXX"] = make_asset()
        account = floor.account(currency="XXX")

        assert refused(lambda: floor.buy(account, "0.1", "USDJPY")).code == Code.NO_RATE


def test_an_operators_act_is_recorded_with_its_reason(floor: Floor, net: TradingAccount) -> None:
    floor.buy(net, "0.1")
    assert not AuditRecord.objects.filter(action__startswith="liquidity.dealing").exists()

    (deal,) = floor.close(only_open(net), reason="client called")

    row = AuditRecord.objects.get(action="liquidity.dealing.close")
    assert (row.reason, row.target_label, row.after["deals"]) == ("client called", str(net), [deal.pk])
    assert deal.reason == "client called"


def test_the_money_of_a_deal_says_what_was_dealt(floor: Floor, net: TradingAccount) -> None:
    floor.buy(net, "0.3")
    (first,) = floor.sell(net, "0.1")
    (last,) = floor.close(only_open(net), reason="client called")

    def reasons(deal: Deal) -> set[str]:
        assert deal.entry_id is not None
        return set(Transfer.objects.filter(entry_id=deal.entry_id).values_list("reason", flat=True))

    position = last.position_id
    assert reasons(first) == {f"Closed 0.1 EURUSD, position {position}"}
    assert reasons(last) == {f"Closed 0.2 EURUSD, position {position}: client called"}
