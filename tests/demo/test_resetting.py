"""A demo account begins anew: once for each request, whatever was open, and never with real money."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import (
    AccountType,
    Deal,
    DealKind,
    DemoReset,
    LedgerAccount,
    LedgerKind,
    Position,
    ResetState,
    Role,
    TradingAccount,
    Transfer,
    TransferKind,
)
from accounts.services.opening import Opening, open_accounts
from audit.actor import Actor
from audit.models import AuditRecord
from instruments.models import Realm
from liquidity.services.resetting import finish_resets, reset_account
from orders.models import Order, OrderStatus
from tests.admin.conftest import operator
from tests.admin.pressing import press
from tests.admin.registry import act
from tests.api.client import signed_in
from tests.factories import ACTOR, NOW, Market, fund, make_asset, make_market, make_user, money, stored, tag
from tests.liquidity.floor import Floor, all_dealt, make_floor, only_open
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def floor(db: None) -> Floor:
    return make_floor()


@pytest.fixture
def market(db: None) -> Market:
    return make_market(realm=Realm.DEMO)


def reset(
    account: TradingAccount, balance: str | None = None, request_id: str = "r", **how: Any
) -> DemoReset:
    return reset_account(
        account_id=account.pk,
        balance=None if balance is None else Decimal(balance),
        reason="again",
        request_id=request_id,
        actor=how.get("actor", ACTOR),
        now=how.get("now", NOW + timedelta(hours=1)),
    )


def refused(act: Callable[[], object]) -> Code:
    before = all_dealt()
    with pytest.raises(Refusal) as caught:
        act()
    assert all_dealt() == before
    return caught.value.code


class TestMoney:
    def test_positions_close_and_the_balance_is_what_was_asked_for(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")
        account = floor.account(1_000, type=AccountType.DEMO, hedging=True)
        floor.lend(account, "50")
        floor.buy(account, "0.1")
        floor.sell(account, "0.01", "USDJPY")

        done = reset(account, "5000", now=floor.now)

        assert done.state == ResetState.DONE
        usd = account.currency
        assert (money(account, usd), money(account, usd, LedgerKind.CREDIT)) == (("5000", "0"), ("0", "0"))
        assert not Position.objects.filter(closed_at__isnull=True).exists()
        assert set(Deal.objects.exclude(kind=DealKind.OPEN).values_list("kind", "commission")) == {
            (DealKind.RESET, Decimal(0))
        }
        moved = Transfer.objects.filter(kind=TransferKind.RESET)
        assert set(moved.values_list("entry_id", "request_id", "realm")) == {(done.entry_id, "r", "demo")}
        findings = check_all(only=["iM2", "iM4-chain", "iP1", "iP2", "iP3", "iP5", "iA7", "iW1"])
        assert [finding.code for finding in findings if not finding.holds] == []

    def test_it_reserves_nothing_afterwards(self, floor: Floor) -> None:
        account = floor.account(1_000, type=AccountType.DEMO)
        floor.buy(account, "0.1")
        reset(account, "5000", now=floor.now)

        assert LedgerAccount.objects.get(account=account, kind=LedgerKind.CLIENT).available == Decimal(5_000)

    def test_without_an_amount_it_begins_as_it_was_opened(self, market: Market) -> None:
        base, quote = market.instrument.base, market.instrument.quote
        owner, number = make_user(), f"DEMO-{tag()}"
        openings = ((quote.code, Decimal(700)), (base.code, Decimal(3)))
        opening = Opening(number, owner.username, AccountType.DEMO, quote.code, 1, 1, openings)
        open_accounts([opening], actor=ACTOR, now=NOW, reason="test")
        account = TradingAccount.objects.get(account_number=number)
        other = make_asset()
        fund(account, other, 11)
        fund(account, base, 4)

        reset(account)

        assert [money(account, asset)[0] for asset in (quote, base, other)] == ["700", "3", "0"]

    def test_one_that_was_opened_with_nothing_gets_the_default(self, floor: Floor) -> None:
        account = floor.account(7, type=AccountType.DEMO)
        reset(account)
        assert money(account, account.currency) == ("100000", "0")

    def test_one_that_stands_at_its_start_moves_nothing(self, floor: Floor) -> None:
        account = floor.account(100_000, type=AccountType.DEMO)
        before = Transfer.objects.count()

        done = reset(account)

        assert (done.state, done.entry_id, Transfer.objects.count()) == (ResetState.DONE, None, before)

    def test_to_nothing(self, floor: Floor) -> None:
        account = floor.account(100, type=AccountType.DEMO)
        reset(account, "0")
        assert money(account, account.currency) == ("0", "0")

    def test_positions_close_at_the_last_quote_however_old(self, floor: Floor) -> None:
        """Nobody could deal at it any more (AC-38): a reset needs no market."""
        account = floor.account(1_000, type=AccountType.DEMO)
        floor.buy(account, "0.1")

        reset(account, "5000", now=floor.now + timedelta(days=3))

        assert Deal.objects.get(kind=DealKind.RESET).price == Decimal("1.1")
        assert money(account, account.currency) == ("5000", "0")

    def test_a_loss_beyond_all_there_is_is_the_demo_houses(self, floor: Floor) -> None:
        account = floor.account(300, type=AccountType.DEMO)
        floor.buy(account, "0.2")
        floor.quote("EURUSD", "1.0000", "1.0002")

        reset(account, "500", now=floor.now)

        assert money(account, account.currency) == ("500", "0")
        assert not LedgerAccount.objects.filter(kind=LedgerKind.PROTECTION, realm=Realm.LIVE).exists()


class TestOrders:
    def test_waits_until_its_orders_are_cancelled(self, market: Market) -> None:
        account = market.trader(base=5, quote=1_000)
        orders = [market.buy(account, "0.01", 49_000), market.sell(account, 1, 51_000)]
        market.drain()

        asked = reset(account, "777")
        assert (asked.state, finish_resets(now=NOW)) == (ResetState.REQUESTED, 0)
        assert money(account, market.instrument.quote)[0] == "1000"
        market.drain()
        assert finish_resets(now=NOW) == 1

        assert {stored(order).status for order in orders} == {OrderStatus.CANCELLED}
        assert money(account, market.instrument.quote) == ("777", "0")
        assert money(account, market.instrument.base) == ("0", "0")
        asked.refresh_from_db()
        assert asked.state == ResetState.DONE
        assert finish_resets(now=NOW) == 0

    def test_one_mass_cancel_a_book_however_often_it_is_looked_at(self, market: Market) -> None:
        account = market.trader()
        market.buy(account, 1, 49_000)
        reset(account)
        for _ in range(3):
            finish_resets(now=NOW)

        # The order, and the one command that ends it.
        assert market.drain().commands == 2

    def test_an_order_that_comes_meanwhile_is_cancelled_too(self, market: Market) -> None:
        account = market.trader()
        market.buy(account, 1, 49_000)
        market.drain()
        reset(account, "1")
        market.drain()
        late = market.buy(account, 1, 48_000)

        assert finish_resets(now=NOW) == 0
        market.drain()
        assert finish_resets(now=NOW) == 1
        assert (stored(late).status, money(account, market.instrument.quote)) == ("cancelled", ("1", "0"))

    def test_waits_for_what_an_amend_has_reserved(self, market: Market) -> None:
        """Placed and cancelled first, amended while that was on its way: the amend comes too late."""
        account = market.trader()
        order = market.buy(account, 1, 49_000)
        market.drain()
        asked = reset(account, "1")
        market.amend(order, account, quantity=2)
        market.step()
        assert (stored(order).status, finish_resets(now=NOW)) == ("cancelled", 0)
        assert money(account, market.instrument.quote)[1] != "0"
        market.drain()

        assert finish_resets(now=NOW) == 1
        assert money(account, market.instrument.quote) == ("1", "0")
        asked.refresh_from_db()
        assert asked.closed_at is not None

    def test_another_reset_meanwhile_is_refused(self, market: Market) -> None:
        account = market.trader()
        market.buy(account, 1, 49_000)
        reset(account)
        assert refused(lambda: reset(account, request_id="other")) == Code.RESET_PENDING


class TestRefusals:
    @pytest.mark.parametrize("kind", [AccountType.LIVE, AccountType.MARGIN, AccountType.ISLAMIC])
    def test_real_money(self, floor: Floor, kind: AccountType) -> None:
        account = floor.account(1_000, type=kind)
        assert refused(lambda: reset(account)) == Code.NOT_A_DEMO_ACCOUNT

    @pytest.mark.parametrize(
        ("balance", "code"),
        [("-1", Code.INVALID_NUMBER), ("0.001", Code.INVALID_NUMBER), ("1e30", Code.INVALID_NUMBER),
         ("NaN", Code.INVALID_NUMBER)],
    )  # fmt: skip
    def test_what_is_no_amount(self, floor: Floor, balance: str, code: Code) -> None:
        account = floor.account(1_000, type=AccountType.DEMO)
        assert refused(lambda: reset(account, balance)) == code

    def test_a_closed_account(self, floor: Floor) -> None:
        account = floor.account(0, type=AccountType.DEMO, is_active=False)
        assert refused(lambda: reset(account)) == Code.ACCOUNT_INACTIVE

    def test_a_request_id_of_another_act(self, floor: Floor) -> None:
        account = floor.account(1_000, type=AccountType.DEMO)
        taken = Transfer.objects.get(credit__account=account).request_id
        assert refused(lambda: reset(account, request_id=taken)) == Code.REQUEST_ID_CONFLICT
        reset(account, "5")
        assert refused(lambda: reset(account, "6")) == Code.REQUEST_ID_CONFLICT

    def test_without_a_reason(self, floor: Floor) -> None:
        account = floor.account(1_000, type=AccountType.DEMO)
        assert (
            refused(
                lambda: reset_account(
                    account_id=account.pk, balance=None, reason=" ", request_id="r", actor=ACTOR, now=NOW
                )
            )
            == Code.REASON_REQUIRED
        )


def test_the_same_request_again_has_no_second_effect(floor: Floor) -> None:
    account = floor.account(1_000, type=AccountType.DEMO)
    first = reset(account, "5")
    fund(account, account.currency, 3)

    again = reset(account, "5")

    assert (again.pk, money(account, account.currency)) == (first.pk, ("8", "0"))


def test_it_is_recorded_with_what_was_and_what_is(floor: Floor) -> None:
    account = floor.account(1_000, type=AccountType.DEMO)
    person = Actor.user(user_id=make_user().pk, label="desk")
    reset(account, "5", actor=person)

    found = AuditRecord.objects.get(action="accounts.demo.reset")
    assert (found.actor_label, found.reason, found.target_label) == ("desk", "again", account.account_number)
    assert (found.before["USD"], found.after["USD"]) == ("1000", "5")


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_effect() -> None:
    floor = make_floor()
    account = floor.account(1_000, type=AccountType.DEMO)
    floor.buy(account, "0.1")

    results = all_at_once([lambda: reset(account, "5", now=floor.now).pk] * 8)

    assert len(set(results)) == 1
    assert DemoReset.objects.count() == Deal.objects.filter(kind=DealKind.RESET).count() == 1
    assert money(account, account.currency) == ("5", "0")


class TestDoors:
    @pytest.fixture
    def boss(self) -> Client:
        client = Client()
        client.force_login(operator(Role.SUPPORT), backend="accounts.backends.RoleBackend")
        return client

    def test_the_button_shows_the_effect_and_then_has_it(self, boss: Client, floor: Floor) -> None:
        account = floor.account(100, type=AccountType.DEMO)
        button, before = act(TradingAccount, account.pk, "reset"), all_dealt()

        shown = press(boss, button, balance="12", reason="again")
        assert all_dealt() == before
        effects = {each.label: (each.before, each.after) for each in shown.context["effects"]}
        assert effects["USD balance"] == ("100", "12")
        press(boss, button, confirm=True, balance="12", reason="again")

        assert money(account, account.currency) == ("12", "0")

    def test_a_live_account_has_no_such_button(self, boss: Client, floor: Floor) -> None:
        demo, live = floor.account(5, type=AccountType.DEMO), floor.account(5)
        pages = [
            boss.get(f"/admin/accounts/tradingaccount/{account.pk}/change/").content.decode()
            for account in (demo, live)
        ]
        assert ["Reset demo account" in page for page in pages] == [True, False]

    def test_the_owner_resets_by_the_api(self, market: Market) -> None:
        account = market.trader(base=2, quote=100)
        market.sell(account, 1, 51_000)
        market.drain()
        api, body = signed_in(account), {"request_id": "mine", "balance": "9"}

        first = api.post(f"/accounts/{account.pk}/reset", body).json()
        market.drain()
        finish_resets(now=timezone.now())
        second = api.post(f"/accounts/{account.pk}/reset", body).json()

        assert (first["state"], second["state"]) == ("requested", "done")
        assert (second["balance"], second["request_id"]) == ("9", "mine")
        assert money(account, market.instrument.quote) == ("9", "0")

    def test_another_persons_account_is_not_there(self, market: Market) -> None:
        answer = signed_in(market.trader()).post(
            f"/accounts/{market.trader().pk}/reset", {"request_id": "mine"}
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")

    def test_the_command_looks_first_and_then_does(self, floor: Floor) -> None:
        account = floor.account(1_000, type=AccountType.DEMO)

        def run(*arguments: str, **options: Any) -> str:
            out = io.StringIO()
            call_command("demo", "reset", account.account_number, *arguments, stdout=out, **options)
            return out.getvalue()

        before = all_dealt()
        looked = json.loads(run("--balance", "20", "--dry-run", "--json"))
        assert all_dealt() == before
        assert (looked["state"], looked["dry_run"]) == ("dry run", True)
        assert {"name": "USD balance", "before": "1000", "after": "20"} in looked["changes"]
        assert "USD balance" in run("--balance", "20")
        assert money(account, account.currency) == ("20", "0")

    def test_the_command_names_what_it_refuses(self, floor: Floor) -> None:
        with pytest.raises(CommandError, match="not_a_demo_account"):
            call_command("demo", "reset", floor.account(5).account_number, stdout=io.StringIO())
        with pytest.raises(CommandError, match="No such account"):
            call_command("demo", "reset", "NOPE", stdout=io.StringIO())


def test_it_opens_positions_again(floor: Floor) -> None:
    account = floor.account(1_000, type=AccountType.DEMO)
    floor.buy(account, "0.1")
    reset(account, "5000", now=floor.now)
    floor.buy(account, "0.1")

    assert only_open(account).volume == Decimal("0.1")
    assert not Order.objects.exists()
