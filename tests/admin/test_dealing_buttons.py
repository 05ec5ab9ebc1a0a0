"""Positions in the back office: margin as a gauge, and buttons that show the real effect before they act."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Position, Role, TradingAccount
from tests.admin.conftest import SignIn
from tests.admin.pressing import errors, press, recorded, said
from tests.admin.registry import act, address
from tests.liquidity.floor import Floor, all_dealt, balance, make_floor, only_open

REASON = "client called"


@pytest.fixture
def floor(db: None) -> Floor:
    """Pages have the real clock."""
    floor = make_floor()
    floor.now = timezone.now()
    floor.quote("EURUSD", "1.1000", "1.1002", at=timezone.now())
    return floor


@pytest.fixture
def account(floor: Floor) -> TradingAccount:
    """Long a tenth of EURUSD."""
    account = floor.account()
    floor.buy(account, "0.1")
    return account


def effects(answer: Any) -> list[tuple[str, str]]:
    return [(each.label, str(each.after)) for each in answer.context["effects"]]


def test_close_shows_the_real_effect_and_then_has_it(
    sign_in: SignIn, floor: Floor, account: TradingAccount
) -> None:
    client, position = sign_in(Role.RISK_MANAGER), only_open(account)
    button, before = act(Position, position.pk, "close"), all_dealt()

    shown = press(client, button, reason=REASON)
    after_looking = all_dealt()
    done = press(client, button, confirm=True, reason=REASON)

    labels = dict(effects(shown))
    assert "closed at 1.1" in labels["Sell 0.1 EURUSD"]
    assert "9\u202f998.00" in labels["Balance"]
    assert after_looking == before
    assert (done.status_code, balance(account)) == (302, "9998")
    assert recorded("liquidity.dealing.close")[0].reason == REASON


def test_pressed_twice_closes_once(boss: Client, floor: Floor, account: TradingAccount) -> None:
    button = act(Position, only_open(account).pk, "close")
    data = {"reason": REASON, "request_id": "one", "volume": "0.05", "confirm": "1"}

    boss.post(button, data)
    boss.post(button, data)

    assert only_open(account).volume == Decimal("0.05")


def test_a_part_too_large_says_so(boss: Client, floor: Floor, account: TradingAccount) -> None:
    answer = press(boss, act(Position, only_open(account).pk, "close"), volume="0.2", reason=REASON)

    assert "Only 0.1 contracts are open." in str(errors(answer))


def test_reverse(boss: Client, floor: Floor, account: TradingAccount) -> None:
    button = act(Position, only_open(account).pk, "reverse")

    shown = press(boss, button, reason=REASON)
    press(boss, button, confirm=True, reason=REASON)

    assert [label for label, _after in effects(shown)][:2] == ["Sell 0.1 EURUSD", "Sell 0.1 EURUSD"]
    assert only_open(account).direction == "short"


def test_break_even_shows_the_stop_and_sets_it(
    sign_in: SignIn, floor: Floor, account: TradingAccount
) -> None:
    client, position = sign_in(Role.RISK_MANAGER), only_open(account)
    button = act(Position, position.pk, "break-even")
    floor.quote("EURUSD", "1.1050", "1.1052", at=timezone.now())
    before = all_dealt()

    shown = press(client, button, reason=REASON)
    after_looking = all_dealt()
    done = press(client, button, confirm=True, reason=REASON)

    assert "1.10020" in dict(effects(shown))["Stop loss"]
    assert after_looking == before
    assert (only_open(account).stop_loss, said(done)) == (Decimal("1.1002"), "The stop loss is at 1.1002.")
    assert recorded("liquidity.dealing.break_even")[0].reason == REASON


def test_break_even_of_a_loser_says_why_not(boss: Client, floor: Floor, account: TradingAccount) -> None:
    answer = press(boss, act(Position, only_open(account).pk, "break-even"), reason=REASON)

    assert "A stop loss must be below 1.1" in str(errors(answer))
    assert only_open(account).stop_loss is None


class TestCloseByOpposite:
    @pytest.fixture
    def hedge(self, floor: Floor) -> TradingAccount:
        """Long 0.3 and short 0.2."""
        account = floor.account(hedging=True)
        floor.buy(account, "0.3")
        floor.sell(account, "0.2")
        return account

    @staticmethod
    def both(account: TradingAccount) -> tuple[Position, Position]:
        long, short = Position.objects.filter(account=account).order_by("id")
        return long, short

    def test_shows_both_deals_and_then_makes_them(self, boss: Client, hedge: TradingAccount) -> None:
        long, short = self.both(hedge)
        button, before = act(Position, long.pk, "close-by"), all_dealt()
        form: dict[str, Any] = {"opposite": str(short.pk), "reason": REASON}

        shown = press(boss, button, **form)
        after_looking = all_dealt()
        done = press(boss, button, confirm=True, **form)

        assert [label for label, _after in effects(shown)][:2] == ["Sell 0.2 EURUSD", "Buy 0.2 EURUSD"]
        assert "-4.00" in dict(effects(shown))["Sell 0.2 EURUSD"].replace("\N{MINUS SIGN}", "-")
        assert after_looking == before
        assert said(done) == f"Closed 0.2 against position {short.pk}."
        # Bought at 1.1002 and sold at 1.1: 0.2 of 100,000 lose 4.
        assert (only_open(hedge).volume, balance(hedge)) == (Decimal("0.1"), "9996")

    def test_offers_only_what_is_opposite(self, boss: Client, floor: Floor, hedge: TradingAccount) -> None:
        floor.buy(hedge, "0.1")
        floor.quote("XAUUSD", "2400.00", "2401.00", at=timezone.now())
        floor.sell(hedge, "0.1", "XAUUSD")
        long, short = self.both_in_eurusd(hedge)

        form = boss.get(act(Position, long.pk, "close-by")).context["form"]
        forged = press(boss, act(Position, long.pk, "close-by"), opposite=str(long.pk), reason=REASON)

        assert [key for key, _label in form.fields["opposite"].choices] == [str(short.pk)]
        assert "opposite" in errors(forged)

    @staticmethod
    def both_in_eurusd(account: TradingAccount) -> tuple[Position, Position]:
        found = Position.objects.filter(account=account, instrument__symbol="EURUSD").order_by("id")
        return found[0], found[1]

    def test_without_an_opposite_says_so(self, boss: Client, account: TradingAccount) -> None:
        answer = boss.get(act(Position, only_open(account).pk, "close-by"))

        assert (answer.status_code, said(answer)) == (302, "It has no opposite position.")


def test_exits(boss: Client, floor: Floor, account: TradingAccount) -> None:
    button = act(Position, only_open(account).pk, "exits")

    press(boss, button, confirm=True, stop_loss="1.09", reason=REASON)

    assert only_open(account).stop_loss == Decimal("1.09")


def test_close_all_from_the_accounts_page(boss: Client, floor: Floor, account: TradingAccount) -> None:
    button = act(TradingAccount, account.pk, "close-positions")

    press(boss, button, confirm=True, reason=REASON)
    again = boss.get(button)

    assert balance(account) == "9998"
    assert f"{account} has no open position." in said(again)


def test_stop_out_above_the_level_closes_nothing(boss: Client, floor: Floor, account: TradingAccount) -> None:
    answer = press(boss, act(TradingAccount, account.pk, "stop-out"), confirm=True, reason=REASON)

    assert "nothing was closed" in said(answer)
    assert only_open(account).is_open


def test_stop_out_below_it_does(boss: Client, floor: Floor) -> None:
    account = floor.account(150)
    floor.buy(account, "0.1")
    floor.quote("EURUSD", "1.0900", "1.0902", at=timezone.now())

    answer = press(boss, act(TradingAccount, account.pk, "stop-out"), confirm=True, reason=REASON)

    assert f"Closed 1 positions of {account}." in said(answer)


@pytest.mark.parametrize("name", ["close", "reverse", "exits"])
def test_is_forbidden_without_the_right(
    sign_in: SignIn, floor: Floor, account: TradingAccount, name: str
) -> None:
    before = all_dealt()

    answer = sign_in(Role.SUPPORT).post(
        act(Position, only_open(account).pk, name), {"reason": REASON, "request_id": "x", "confirm": "1"}
    )

    assert (answer.status_code, all_dealt()) == (403, before)


def test_the_accounts_page_shows_margin_and_positions(
    boss: Client, floor: Floor, account: TradingAccount
) -> None:
    floor.quote("EURUSD", "1.1050", "1.1052", at=timezone.now())

    page = boss.get(address(TradingAccount, "change", account.pk)).content.decode()

    for figure in ("10\u202f048.00", "110.02", "9\u202f937.98", "9132.88 %", "1.10500", "48.00", "bo-gauge"):
        assert figure in page, figure


def test_the_list_values_all_positions_in_a_fixed_number_of_questions(
    boss: Client, floor: Floor, account: TradingAccount, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        floor.buy(floor.account(), "0.1")

    with django_assert_max_num_queries(14):
        page = boss.get(address(Position, "changelist")).content.decode()

    assert page.count("-2.00") == 6
