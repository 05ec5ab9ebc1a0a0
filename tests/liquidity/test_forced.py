"""What happens without the client: touches between two looks, swap by night, stop-out, revaluation."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Deal, LedgerKind, Position, SwapCharge, TradingAccount
from audit.actor import Actor
from instruments.models import Instrument, Quote
from liquidity.models import PriceWatch
from liquidity.services.revaluing import revalue
from liquidity.services.stopping_out import liquidate
from liquidity.services.swapping import swap_night
from liquidity.services.watching import watch_exits
from tests.factories import NOW, make_asset, make_group, short
from tests.liquidity.floor import (
    Floor,
    all_dealt,
    balance,
    figures,
    house,
    make_floor,
    money_lines,
    only_open,
)
from tests.threads import elsewhere

TODAY = NOW.date()
MIDNIGHT = datetime(2026, 3, 3, 0, 5, tzinfo=UTC)
ACTOR = Actor.system("risk")


def last_deal(account: TradingAccount) -> Deal:
    return Deal.objects.filter(account=account).latest("id")


class TestWatching:
    @pytest.fixture
    def account(self, floor: Floor) -> TradingAccount:
        return floor.account()

    def test_a_touch_between_two_looks_counts(self, floor: Floor, account: TradingAccount) -> None:
        floor.buy(account, "0.1", stop_loss="1.095")
        watch_exits(now=floor.now)
        for bid in ("1.0960", "1.0945", "1.0900", "1.1100"):
            floor.quote("EURUSD", bid, "1.1102")

        assert watch_exits(now=floor.now) == 1

        # The first that touched, not the worst and not the last.
        assert figures([last_deal(account)]) == [("stop_loss", "0.1", "1.0945", "-57")]

    def test_quotes_from_before_the_exits_do_not_count(self, floor: Floor, account: TradingAccount) -> None:
        floor.buy(account, "0.1")
        floor.quote("EURUSD", "1.0900", "1.0902")
        floor.quote("EURUSD", "1.1000", "1.1002")
        floor.amend(account, stop_loss="1.095")

        assert watch_exits(now=floor.now) == 0
        assert only_open(account).is_open

    def test_the_markup_moves_what_touches(self, floor: Floor) -> None:
        account = floor.account(group=make_group(markup_steps=5))
        floor.buy(account, "0.1", stop_loss="1.095")

        floor.quote("EURUSD", "1.09506", "1.0952")
        assert watch_exits(now=floor.now) == 0
        floor.quote("EURUSD", "1.09505", "1.0952")
        assert watch_exits(now=floor.now) == 1

        assert short(last_deal(account).price or Decimal(0)) == "1.095"

    def test_a_quote_between_two_ticks_is_rounded_away_from_the_client(
        self, floor: Floor, account: TradingAccount
    ) -> None:
        floor.sell(account, "0.1", stop_loss="1.105")

        floor.quote("EURUSD", "1.1048", "1.104991")

        assert watch_exits(now=floor.now) == 1
        assert short(last_deal(account).price or Decimal(0)) == "1.105"

    def test_without_a_rate_it_is_tried_again(self, floor: Floor) -> None:
        account = floor.account(currency="EUR")
        floor.buy(account, "0.1", "USDJPY", stop_loss="149")
        watch_exits(now=floor.now)
        floor.now += timedelta(minutes=2)
        floor.quote("USDJPY", "148", "148.02")

        # Yen become euros through EURUSD, whose quote is too old to deal by.
        assert watch_exits(now=floor.now) == 0
        assert only_open(account).is_open
        floor.quote("EURUSD", "1.1", "1.1002")

        assert watch_exits(now=floor.now) == 1
        assert last_deal(account).price == Decimal(148)

    def test_looks_from_where_it_left_off(self, floor: Floor, account: TradingAccount) -> None:
        floor.quote("EURUSD", "1.1001", "1.1003")

        watch_exits(now=floor.now)

        seen = PriceWatch.objects.get(instrument=floor.instruments["EURUSD"]).watched_at
        assert seen == Quote.objects.get(instrument=floor.instruments["EURUSD"]).at

    def test_many_accounts_are_closed_each_by_itself(self, floor: Floor) -> None:
        accounts = [floor.account() for _ in range(3)]
        for account in accounts:
            floor.buy(account, "0.1", stop_loss="1.095")
        floor.quote("EURUSD", "1.0900", "1.0902")

        assert watch_exits(now=floor.now) == 3
        assert [balance(account) for account in accounts] == ["9898"] * 3


class TestSwap:
    @pytest.fixture(autouse=True)
    def rates(self, floor: Floor) -> None:
        """A long contract costs 7.5 dollars a night, a short one brings 3.2."""
        Instrument.objects.filter(symbol="EURUSD").update(
            swap_long=Decimal("-7.5"), swap_short=Decimal("3.2"), swap_triple_day=2
        )

    @pytest.mark.parametrize(
        ("buys", "swap", "left"), [(True, "-3.75", "9996.25"), (False, "1.6", "10001.6")]
    )
    def test_charges_longs_and_credits_shorts(self, floor: Floor, buys: bool, swap: str, left: str) -> None:
        account = floor.account()
        floor.deal(account, "0.5", "EURUSD", buys=buys)

        done = swap_night(TODAY, now=MIDNIGHT)

        assert (done.positions, short(done.totals["USD"]), done.refused) == (1, swap, {})
        assert (balance(account), short(only_open(account).swap)) == (left, swap)
        assert [line[0] for line in money_lines(last_deal(account))] == ["swap"]

    def test_again_adds_nothing(self, floor: Floor) -> None:
        account = floor.account()
        floor.buy(account, "1")
        swap_night(TODAY, now=MIDNIGHT)
        before = all_dealt()

        assert swap_night(TODAY, now=MIDNIGHT).positions == 0
        assert all_dealt() == before

    def test_again_adds_what_was_missing(self, floor: Floor) -> None:
        first, second = floor.account(), floor.account()
        floor.buy(first, "1")
        swap_night(TODAY, now=MIDNIGHT)
        floor.buy(second, "1")

        assert swap_night(TODAY, now=MIDNIGHT).positions == 1
        assert (balance(first), balance(second)) == ("9992.5", "9992.5")

    def test_again_adds_what_was_missing_of_one_account(self, floor: Floor) -> None:
        account = floor.account(hedging=True)
        floor.buy(account, "1")
        swap_night(TODAY, now=MIDNIGHT)
        floor.buy(account, "0.5")

        assert swap_night(TODAY, now=MIDNIGHT).positions == 1
        assert balance(account) == "9988.75"

    def test_the_triple_day_counts_three_nights(self, floor: Floor) -> None:
        account = floor.account()
        floor.buy(account, "1")
        wednesday = date(2026, 3, 4)
        for day in range(3):
            swap_night(TODAY + timedelta(days=day), now=MIDNIGHT + timedelta(days=day))

        charged = Deal.objects.filter(account=account, kind="swap").order_by("id")
        assert [short(deal.swap) for deal in charged] == ["-7.5", "-7.5", "-22.5"]
        assert SwapCharge.objects.get(date=wednesday).deal_id == charged[2].pk

    def test_islamic_accounts_pay_none(self, floor: Floor) -> None:
        account = floor.account(type="islamic")
        floor.buy(account, "1")

        assert swap_night(TODAY, now=MIDNIGHT).positions == 0
        assert balance(account) == "10000"

    def test_what_was_opened_after_the_day_waits_for_the_next(self, floor: Floor) -> None:
        account = floor.account()
        floor.buy(account, "1")

        assert swap_night(TODAY - timedelta(days=1), now=MIDNIGHT).positions == 0

    def test_a_dry_run_says_and_leaves_nothing(self, floor: Floor) -> None:
        floor.buy(floor.account(), "1")
        before = all_dealt()

        done = swap_night(TODAY, now=MIDNIGHT, dry_run=True)

        assert (done.positions, short(done.totals["USD"])) == (1, "-7.5")
        assert all_dealt() == before

    def test_is_converted_to_the_accounts_currency_at_mid(self, floor: Floor) -> None:
        account = floor.account(currency="EUR")
        floor.buy(account, "1")

        swap_night(TODAY, now=MIDNIGHT)

        # 7.5 / 1.1001.
        assert balance(account) == "9993.18"

    def test_an_account_without_a_rate_does_not_stop_the_others(self, floor: Floor) -> None:
        poor, rich = floor.account(), floor.account()
        floor.buy(poor, "1")
        floor.buy(rich, "1")
        TradingAccount.objects.filter(pk=poor.pk).update(currency=make_asset())

        done = swap_night(TODAY, now=MIDNIGHT)

        assert (done.positions, list(done.refused)) == (1, [poor.pk])

    def test_the_database_charges_a_night_once(self, floor: Floor) -> None:
        floor.buy(floor.account(), "1")
        swap_night(TODAY, now=MIDNIGHT)
        row = SwapCharge.objects.get()

        with pytest.raises(IntegrityError, match="swap_once_a_night"), transaction.atomic():
            SwapCharge.objects.create(position=row.position, date=row.date, deal_id=1, at=NOW)

    def test_what_the_client_has_not_is_covered(self, floor: Floor) -> None:
        account = floor.account("1122.20")
        floor.quote("EURUSD", "1.1", "1.1")
        floor.buy(account, "1")
        floor.quote("EURUSD", "1.11", "1.11")
        account.ledger_accounts.filter(kind="client").update(held=Decimal(1120))

        swap_night(TODAY, now=MIDNIGHT)

        assert balance(account) == "1120"
        assert house(account.currency, LedgerKind.PROTECTION) == "-5.3"


class TestStopOut:
    def test_closes_the_largest_loss_first_until_the_level_is_back(self, floor: Floor) -> None:
        account = floor.account(1_500, hedging=True)
        floor.buy(account, "0.1")
        floor.buy(account, "0.8")
        floor.buy(account, "0.1", "XAUUSD")
        floor.quote("EURUSD", "1.0850", "1.0852")
        floor.quote("XAUUSD", "2390.00", "2391.00")

        deals = liquidate(account.pk, actor=ACTOR, now=floor.now, reason="level")

        # After the first two 22 of equity are left against 240.10 needed: 9 %.
        assert figures(deals) == [
            ("stop_out", "0.8", "1.085", "-1216"),
            ("stop_out", "0.1", "1.085", "-152"),
            ("stop_out", "0.1", "2390", "-110"),
        ]
        assert (balance(account), floor.margin(account).standing.level) == ("22", None)
        assert {deal.reason for deal in deals} == {"level"}

    def test_above_the_level_nothing_is_closed(self, floor: Floor) -> None:
        account = floor.account(1_000)
        floor.buy(account, "0.5")
        before = all_dealt()

        assert liquidate(account.pk, actor=ACTOR, now=floor.now, reason="level") == []
        assert all_dealt() == before

    def test_stops_as_soon_as_the_level_is_back(self, floor: Floor) -> None:
        account = floor.account(1_000, hedging=True)
        floor.buy(account, "0.3")
        floor.buy(account, "0.5")
        floor.quote("EURUSD", "1.0920", "1.0922")

        deals = liquidate(account.pk, actor=ACTOR, now=floor.now, reason="level")

        # 0.8 lost 656 of 1000 against 880.16 needed: 39 %. Without the 0.5: 344 against 330.06.
        assert [short(deal.volume) for deal in deals] == ["0.5"]
        assert floor.margin(account).standing.level == Decimal("104.22")

    def test_a_position_without_a_price_stays(self, floor: Floor) -> None:
        account = floor.account(1_000, hedging=True)
        floor.buy(account, "0.1", "XAUUSD")
        floor.buy(account, "0.6")
        floor.now += timedelta(minutes=2)
        floor.quote("EURUSD", "1.0840", "1.0842")

        deals = liquidate(account.pk, actor=ACTOR, now=floor.now, reason="level")

        assert [deal.instrument.symbol for deal in deals] == ["EURUSD"]

    def test_a_crash_leaves_nobody_owing(self, floor: Floor) -> None:
        account = floor.account(1_000)
        floor.buy(account, "0.8")
        floor.quote("EURUSD", "1.0000", "1.0002")

        liquidate(account.pk, actor=ACTOR, now=floor.now, reason="level")

        assert balance(account) == "0"
        assert house(account.currency, LedgerKind.PROTECTION) == "-7016"
        assert not Position.objects.filter(closed_at__isnull=True).exists()


class TestRevaluing:
    def test_reserves_what_positions_need_by_the_quotes_of_now(self, floor: Floor) -> None:
        account, idle = floor.account(), floor.account()
        floor.buy(account, "0.1")
        floor.quote("EURUSD", "1.0900", "1.0902")

        assert revalue(now=floor.now) == 1

        rows = account.ledger_accounts.get(kind="client"), idle.ledger_accounts.get(kind="client")
        # 110.02 of margin and 102 lost.
        assert [short(row.reserved) for row in rows] == ["212.02", "0"]
        assert [short(row.available) for row in rows] == ["9787.98", "10000"]

    def test_gains_reserve_less(self, floor: Floor) -> None:
        account = floor.account()
        floor.buy(account, "0.1")
        floor.quote("EURUSD", "1.1100", "1.1102")

        revalue(now=floor.now)

        assert short(account.ledger_accounts.get(kind="client").reserved) == "12.02"

    def test_costs_the_same_for_many(self, floor: Floor, django_assert_num_queries: object) -> None:
        for _ in range(5):
            floor.buy(floor.account(group=make_group()), "0.1")

        with django_assert_num_queries(13, exact=False):  # type: ignore[operator]
            revalue(now=floor.now)


@pytest.mark.django_db(transaction=True)
def test_an_account_in_other_hands_is_left_to_them() -> None:
    floor = make_floor()
    account = floor.account()
    floor.buy(account, "0.1")

    with transaction.atomic():
        TradingAccount.objects.select_for_update().get(pk=account.pk)

        assert elsewhere(lambda: revalue(now=floor.now)) == 0
