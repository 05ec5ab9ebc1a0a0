"""Two forms open at once: the older one takes nothing back, and its owner is told what moved."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from accounts.models import GroupInstrument, KycLimit, Position, RateTier, TradingAccount, TradingGroup, User
from accounts.reconciliation.models import StatementSource
from audit.models import ApprovalPolicy, ApprovalRequest, AuditRecord
from instruments.models import Asset, Instrument, MarginTier
from orders.history.models import Portfolio
from tests.admin.conftest import Lived
from tests.admin.pressing import filled, press
from tests.admin.registry import PAGES, act, address
from tests.audit.agreeing import agree
from tests.factories import make_account, make_asset, make_group, make_market
from tests.liquidity.floor import make_floor, only_open
from tradeplatform.common.admin.editing import Edit, EditForm

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Case:
    """One button: what a colleague changes by it, and what the owner of the older form does."""

    model: type[Model]
    theirs: dict[str, Any]
    mine: dict[str, Any]
    button: str = "edit"
    waits: bool = False


CASES = [
    Case(Instrument, {"maker_fee": "0.0001"}, {"display_name": "Bitcoin"}),
    Case(Instrument, {"tiers": "1000 0.02"}, {"tiers": "2000 0.03"}, button="tiers"),
    Case(Asset, {"name": "Coin"}, {"is_active": ""}),
    Case(TradingGroup, {"markup_steps": "7"}, {"max_leverage": "20"}),
    Case(TradingAccount, {"max_leverage": "50"}, {"trade_group": "9"}),
    Case(RateTier, {"calls_1m": "77"}, {"orders_1d": "88888"}),
    Case(StatementSource, {"match_days": "6"}, {"counterparty": "Second Bank"}),
    Case(User, {"first_name": "Łukasz"}, {"phone": "+48 1"}),
    Case(User, {"kyc_level": "2"}, {"kyc_status": "approved"}, button="identity", waits=True),
    Case(KycLimit, {"daily": "1"}, {"monthly": "99999"}, waits=True),
    Case(ApprovalPolicy, {"approvers": "3"}, {"active": ""}, waits=True),
    Case(Portfolio, {"name": "Theirs"}, {"name": "Mine"}),
    Case(Position, {"stop_loss": "1.05"}, {"take_profit": "1.2"}, button="exits"),
]


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


@pytest.fixture
def row_of(lived: Lived) -> Callable[[type[Model]], int]:
    def found(model: type[Model]) -> int:
        if model is Position:
            from django.utils import timezone  # noqa: PLC0415

            floor = make_floor()
            floor.now = timezone.now()
            floor.quote("EURUSD", "1.1000", "1.1002", at=timezone.now())
            account = floor.account()
            floor.buy(account, "0.1")
            return only_open(account).pk
        return int(lived.rows[model._meta.label_lower])

    return found


def ids(case: Case) -> str:
    return f"{case.model._meta.model_name} {case.button}"


def stored(model: type[Model], pk: int) -> object:
    """The row with all that hangs on it, what was asked about it, and what was recorded."""
    return (
        model._default_manager.filter(pk=pk).values().get(),
        sorted(MarginTier.objects.values_list("instrument", "from_notional", "rate")),
        ApprovalRequest.objects.count(),
        AuditRecord.objects.count(),
    )


def pressed_by_a_colleague(boss: Client, url: str, case: Case) -> None:
    press(boss, url, confirm=True, reason="theirs", **case.theirs)
    if case.waits:
        agree(ApprovalRequest.objects.latest("id"), now=ApprovalRequest.objects.latest("id").created_at)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_an_older_form_takes_nothing_back(
    boss: Client, row_of: Callable[[type[Model]], int], case: Case
) -> None:
    pk = row_of(case.model)
    url = act(case.model, pk, case.button)
    older = filled(boss, url, reason="mine", **case.mine)
    pressed_by_a_colleague(boss, url, case)
    before = stored(case.model, pk)

    shown = boss.post(url, older)
    saved = boss.post(url, older | {"confirm": "1"})

    assert (saved.status_code, stored(case.model, pk)) == (409, before)
    assert "Somebody else has changed" in saved.content.decode()
    if case.button != "tiers" and case.model is not Portfolio:  # these compare only when they save
        assert shown.status_code == 409


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_opened_again_it_saves_what_this_person_changed(
    boss: Client, row_of: Callable[[type[Model]], int], case: Case
) -> None:
    pk = row_of(case.model)
    url = act(case.model, pk, case.button)
    pressed_by_a_colleague(boss, url, case)

    answer = press(boss, url, confirm=True, reason="mine", **case.mine)

    assert answer.status_code == 302
    if case.waits:
        asked = ApprovalRequest.objects.latest("id")
        assert set(asked.payload["changes"]) == set(case.mine)
    elif issubclass(_button(case), Edit):
        record = AuditRecord.objects.filter(reason="mine").latest("id")
        assert case.model is Position or set(record.after) == set(case.mine)


def test_every_form_that_shows_a_row_knows_what_was_seen() -> None:
    """A new button that starts with what the row is now, several fields of it, has to carry what was seen."""
    forgetful = [
        f"{page.opts.label_lower} {button.name}"
        for page in PAGES
        for button in page.buttons
        if button.name == "edit" and not issubclass(button.form_class, EditForm)
    ]

    assert forgetful == []


class TestTermsOfOneAccountOrInstrument:
    """Where an account stands, and what a group does otherwise for one instrument."""

    def test_the_group_a_colleague_chose_is_not_taken_back(self, boss: Client) -> None:
        account = make_account(currency=make_asset())
        theirs, mine = make_group(), make_group()
        url = act(TradingAccount, account.pk, "group")
        older = filled(boss, url, reason="mine", group=mine.pk)
        press(boss, url, confirm=True, group=theirs.pk, reason="theirs")

        shown = boss.post(url, older)
        saved = boss.post(url, older | {"confirm": "1"})

        assert (shown.status_code, saved.status_code) == (409, 409)
        assert f"group was empty and is {theirs} now" in saved.content.decode()
        account.refresh_from_db()
        assert account.group == theirs

    def test_the_mode_there_and_back_is_what_was_seen(self, boss: Client) -> None:
        account = make_account(currency=make_asset())
        url = act(TradingAccount, account.pk, "mode")
        older = filled(boss, url, reason="mine", position_mode="hedging", confirm="1")
        for mode in ("hedging", "netting"):
            press(boss, url, confirm=True, position_mode=mode, reason="theirs")

        assert boss.post(url, older).status_code == 302

    def test_the_mode_that_is_set_already_is_no_change(self, boss: Client) -> None:
        account = make_account(currency=make_asset())
        url = act(TradingAccount, account.pk, "mode")
        older = filled(boss, url, reason="mine", position_mode="hedging", confirm="1")
        press(boss, url, confirm=True, position_mode="hedging", reason="theirs")

        assert boss.post(url, older).status_code == 400
        assert AuditRecord.objects.latest("id").reason == "theirs"

    def test_a_form_that_saw_no_exception_changes_none(self, boss: Client) -> None:
        group, symbol = make_group(), make_market().symbol
        url = act(TradingGroup, group.pk, "exception")
        older = filled(boss, url, reason="mine", symbol=symbol, margin_rate="0.3")
        press(boss, url, confirm=True, symbol=symbol, markup_steps="7", reason="theirs")

        shown = boss.post(url, older)
        saved = boss.post(url, older | {"confirm": "1"})

        assert (shown.status_code, saved.status_code) == (409, 409)
        assert "markup steps was empty and is 7 now" in saved.content.decode()
        row = GroupInstrument.objects.get(group=group)
        assert (row.markup_steps, row.margin_rate) == (7, None)

    def test_opened_from_its_row_it_changes_only_what_this_person_changed(self, boss: Client) -> None:
        group, symbol = make_group(), make_market().symbol
        press(boss, act(TradingGroup, group.pk, "exception"), confirm=True, symbol=symbol,
              markup_steps="7", reason="theirs")  # fmt: skip
        url = f"{act(TradingGroup, group.pk, 'exception')}?symbol={symbol}"
        assert url in boss.get(address(TradingGroup, "change", group.pk)).content.decode()

        press(boss, url, confirm=True, margin_rate="0.3", reason="mine")

        record = AuditRecord.objects.latest("id")
        assert (record.before, record.after) == (
            {"margin_rate": None},
            {"symbol": symbol, "margin_rate": "0.3"},
        )
        row = GroupInstrument.objects.get(group=group)
        assert (row.markup_steps, row.margin_rate) == (7, Decimal("0.3"))


class TestWhatWasSeen:
    @pytest.fixture
    def group(self) -> TradingGroup:
        return make_group(markup_steps=5)

    def test_what_was_only_looked_at_is_no_change(self, boss: Client, group: TradingGroup) -> None:
        url = act(TradingGroup, group.pk, "edit")

        press(boss, url, confirm=True, markup_steps="6", reason="wider")

        record = AuditRecord.objects.latest("id")
        assert (record.before, record.after) == ({"markup_steps": 5}, {"markup_steps": 6})

    def test_a_change_there_and_back_is_none(self, boss: Client, group: TradingGroup) -> None:
        url = act(TradingGroup, group.pk, "edit")
        older = filled(boss, url, reason="mine", max_leverage="20", confirm="1")
        for steps in ("6", "5"):
            press(boss, url, confirm=True, markup_steps=steps, reason="theirs")

        assert boss.post(url, older).status_code == 302

    def test_between_the_effect_and_the_press(self, boss: Client, group: TradingGroup) -> None:
        url = act(TradingGroup, group.pk, "edit")
        mine = filled(boss, url, reason="mine", max_leverage="20")
        assert boss.post(url, mine).context["confirming"]
        press(boss, url, confirm=True, markup_steps="6", reason="theirs")

        answer = boss.post(url, mine | {"confirm": "1"})

        assert "markup steps was 5 and is 6 now" in answer.content.decode()
        group.refresh_from_db()
        assert (group.markup_steps, group.max_leverage) != (5, 20)

    @pytest.mark.parametrize("seen", ["", "x", "[]", "{}", '{"name": 1}', "null"])
    def test_a_form_that_saw_nothing_saves_nothing(
        self, boss: Client, group: TradingGroup, seen: str
    ) -> None:
        url = act(TradingGroup, group.pk, "edit")
        before = stored(TradingGroup, group.pk)

        answer = press(boss, url, confirm=True, seen=seen, markup_steps="6", reason="blind")

        assert answer.status_code in {200, 409}
        assert stored(TradingGroup, group.pk) == before

    @pytest.mark.parametrize("tiers", ["5", '["x"]', "[1]", '["1 x"]'])
    def test_nor_does_one_of_tiers(self, boss: Client, tiers: str) -> None:
        url = act(Instrument, make_market().instrument.pk, "tiers")
        seen = f'{{"tiers": {tiers}}}'

        answer = press(boss, url, confirm=True, seen=seen, tiers="1 0.1", reason="blind")

        assert (answer.status_code, MarginTier.objects.count()) == (200, 0)

    def test_numbers_count_by_their_worth(self, boss: Client) -> None:
        """0.10 typed where 0.1 was shown is no change, and no other's either."""
        instrument = make_market().instrument
        url = act(Instrument, instrument.pk, "edit")
        data = filled(boss, url)
        assert json.loads(data["seen"])["price_band"] == "0.1"

        press(boss, url, confirm=True, price_band="0.10", maker_fee="0.00020", reason="cheaper")

        assert AuditRecord.objects.latest("id").after == {"maker_fee": "0.0002"}
        instrument.refresh_from_db()
        assert instrument.maker_fee == Decimal("0.0002")


def _button(case: Case) -> type[Any]:
    (found,) = [
        button
        for page in PAGES
        if page.model is case.model
        for button in page.buttons
        if button.name == case.button
    ]
    return found
