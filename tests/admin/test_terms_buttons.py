"""Groups, exceptions, margin tiers, quotes by hand, and where an account stands: effect first, then once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import GroupInstrument, PositionMode, Role, TradingAccount, TradingGroup
from instruments.models import Instrument, MarginTier, Quote
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import make_account, make_asset, make_group, make_instrument, short

REASON = "committee of Monday"


def effects(answer: object) -> list[tuple[str, str, str]]:
    shown = answer.context["effects"]  # type: ignore[attr-defined]
    return [(each.label, str(each.before), str(each.after)) for each in shown]


class TestGroups:
    def test_add_and_edit(self, sign_in: SignIn) -> None:
        client = sign_in(Role.ADMIN)
        press(client, address(TradingGroup, "new", "add"), confirm=True, name="Gold", reason=REASON)
        group = TradingGroup.objects.get(name="Gold")

        shown = press(client, act(TradingGroup, group.pk, "edit"), markup_steps=4, reason=REASON)
        press(client, act(TradingGroup, group.pk, "edit"), confirm=True, markup_steps=4, reason=REASON)

        assert effects(shown) == [("Markup steps", "0", "4")]
        group.refresh_from_db()
        assert group.markup_steps == 4
        assert recorded("accounts.group.change")[0].reason == REASON

    def test_an_exception_beats_until_it_is_dropped(self, boss: Client) -> None:
        group, instrument = make_group(), make_instrument()
        data: dict[str, Any] = {"symbol": instrument.symbol, "reason": REASON}

        shown = press(boss, act(TradingGroup, group.pk, "exception"), margin_rate="0.25", **data)
        press(boss, act(TradingGroup, group.pk, "exception"), confirm=True, margin_rate="0.25", **data)

        assert [label for label, _before, _after in effects(shown)] == ["Instrument", "Margin rate"]
        assert GroupInstrument.objects.get(group=group).margin_rate == Decimal("0.25")
        assert "25 %" in boss.get(address(TradingGroup, "change", group.pk)).content.decode()
        press(boss, act(TradingGroup, group.pk, "drop"), confirm=True, **data)
        assert not GroupInstrument.objects.exists()

    def test_of_an_unknown_symbol_says_so(self, boss: Client) -> None:
        button = act(TradingGroup, make_group().pk, "exception")

        answer = press(boss, button, symbol="NOPE", markup_steps=1, reason=REASON)

        assert answer.status_code == 404
        assert "No such instrument" in str(errors(answer))


class TestTiers:
    def test_are_replaced_with_both_shown(self, boss: Client) -> None:
        instrument = make_instrument()
        button = act(Instrument, instrument.pk, "tiers")

        shown = press(boss, button, tiers="1000000 0.02\n\n5000000 0.1", reason=REASON)
        press(boss, button, confirm=True, tiers="1000000 0.02\n\n5000000 0.1", reason=REASON)

        assert effects(shown) == [("Tiers", "none", "1000000 0.02, 5000000 0.1")]
        found = MarginTier.objects.order_by("from_notional").values_list("from_notional", "rate")
        assert list(found) == [(Decimal(1000000), Decimal("0.02")), (Decimal(5000000), Decimal("0.1"))]

    @pytest.mark.parametrize(
        "tiers", ["x", "1 2 3", "0 0.1\n0 0.2", "1 0.2\n2 0.1", "1 1.5", "-1 0.1", "NaN 0.1", "1 NaN", "0 0"]
    )
    def test_that_make_no_sense_are_refused(self, tiers: str, boss: Client) -> None:
        answer = press(
            boss, act(Instrument, make_instrument().pk, "tiers"), confirm=True, tiers=tiers, reason=REASON
        )

        assert errors(answer)["tiers"]
        assert not MarginTier.objects.exists()


class TestQuotes:
    def test_by_hand_shows_both_prices_first(self, sign_in: SignIn, lived: Lived) -> None:
        client, instrument = sign_in(Role.RISK_MANAGER), lived.market.instrument
        data: dict[str, Any] = {
            "symbol": instrument.symbol, "bid": "49100", "ask": "49900", "reason": REASON
        }  # fmt: skip

        shown = press(client, address(Quote, "new", "set"), **data)
        answer = press(client, address(Quote, "new", "set"), confirm=True, **data)

        assert [label for label, _before, _after in effects(shown)] == [
            f"{instrument.symbol} bid",
            f"{instrument.symbol} ask",
        ]
        assert answer.status_code == 302
        row = Quote.objects.get(instrument=instrument)
        assert (short(row.bid), short(row.ask), row.source) == ("49100", "49900", "operator")
        page = client.get(address(Quote, "change", instrument.pk)).content.decode()
        assert "<polyline" in page

    @pytest.mark.parametrize(("bid", "ask"), [("49900", "49100"), ("1e4", "49900")])
    def test_what_is_no_quote_is_refused_before_the_effect(
        self, bid: str, ask: str, boss: Client, lived: Lived
    ) -> None:
        data: dict[str, Any] = {"symbol": lived.market.symbol, "bid": bid, "ask": ask, "reason": REASON}

        answer = press(boss, address(Quote, "new", "set"), **data)

        assert errors(answer)
        assert not answer.context["confirming"]
        assert not Quote.objects.filter(source="operator").exists()

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, lived: Lived) -> None:
        data = {"symbol": lived.market.symbol, "bid": "1", "ask": "2", "reason": REASON, "request_id": "x"}

        answer = sign_in(Role.SUPPORT).post(address(Quote, "new", "set"), data | {"confirm": "1"})

        assert answer.status_code == 403


class TestStanding:
    def test_the_group_is_changed_with_its_terms_shown(self, sign_in: SignIn) -> None:
        client, account = sign_in(Role.ADMIN), make_account(currency=make_asset())
        group = make_group(markup_steps=5)

        shown = press(client, act(TradingAccount, account.pk, "group"), group=group.pk, reason=REASON)
        press(client, act(TradingAccount, account.pk, "group"), confirm=True, group=group.pk, reason=REASON)

        assert effects(shown) == [("Group", "none", group.name), ("Markup in price steps", "0", "5")]
        account.refresh_from_db()
        assert account.group == group

    def test_the_mode_is_changed(self, boss: Client) -> None:
        account = make_account(currency=make_asset())

        press(
            boss,
            act(TradingAccount, account.pk, "mode"),
            confirm=True,
            position_mode="hedging",
            reason=REASON,
        )

        account.refresh_from_db()
        assert account.position_mode == PositionMode.HEDGING

    def test_close_and_reopen(self, boss: Client) -> None:
        account = make_account(currency=make_asset())

        press(boss, act(TradingAccount, account.pk, "close"), reason=REASON)
        closed = TradingAccount.objects.get(pk=account.pk).is_active
        again = boss.get(act(TradingAccount, account.pk, "close"))
        press(boss, act(TradingAccount, account.pk, "reopen"), reason=REASON)

        assert (closed, TradingAccount.objects.get(pk=account.pk).is_active) == (False, True)
        assert f"{account} is closed already." in said(again)
        assert [row.reason for row in recorded("accounts.account.close")] == [REASON]

    def test_one_with_money_says_what_is_on_it(self, boss: Client, funded: TradingAccount) -> None:
        answer = boss.get(act(TradingAccount, funded.pk, "close"))

        assert f"1000 {funded.currency.code} client" in said(answer)
