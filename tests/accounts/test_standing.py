"""Group, mode, closing and reopening: with a reason, recorded, and never with something left on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import AccountType, PositionMode, TradingAccount
from accounts.services import people, standing
from audit.models import AuditRecord
from tests.factories import ACTOR, NOW, fund, make_account, make_asset, make_group, make_market, make_user
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> TradingAccount:
    return make_account(currency=make_asset())


def do(service: Callable[..., TradingAccount], account: TradingAccount, **how: Any) -> TradingAccount:
    return service(**{"account_id": account.id, "actor": ACTOR, "now": NOW, "reason": "asked"} | how)


def refused(service: Callable[..., TradingAccount], account: TradingAccount, **how: Any) -> Refusal:
    before = list(TradingAccount.objects.order_by("id").values())
    with pytest.raises(Refusal) as caught:
        do(service, account, **how)
    assert list(TradingAccount.objects.order_by("id").values()) == before
    assert not AuditRecord.objects.filter(
        target_type="accounts.tradingaccount", action__contains="close"
    ).exists()
    return caught.value


def record_of(action: str) -> AuditRecord:
    return AuditRecord.objects.get(action=action)


def test_a_group_is_changed_and_left(account: TradingAccount) -> None:
    group = make_group()

    assert do(standing.change_group, account, group_id=group.id).group == group
    row = record_of("accounts.account.change_group")
    assert (row.before, row.after, row.reason) == ({"group": None}, {"group": group.name}, "asked")
    assert do(standing.change_group, account, group_id=None).group is None


def test_an_account_opened_in_a_group_has_its_mode() -> None:
    group = make_group(position_mode=PositionMode.HEDGING)
    values = {
        "account_number": "ACC-1", "user": make_user(), "currency": make_asset(), "type": AccountType.MARGIN,
        "group": group,
    }  # fmt: skip

    account = people.open_account(values=values, actor=ACTOR, now=NOW, reason="new client")

    assert account.position_mode == PositionMode.HEDGING


def test_the_mode_is_changed(account: TradingAccount) -> None:
    found = do(standing.change_mode, account, mode=PositionMode.HEDGING)

    assert found.position_mode == PositionMode.HEDGING
    assert record_of("accounts.account.change_mode").before == {"position_mode": "netting"}


def test_an_empty_account_is_closed_and_reopened(account: TradingAccount) -> None:
    assert not do(standing.close_account, account).is_active
    assert record_of("accounts.account.close").after == {"is_active": False}
    assert do(standing.reopen_account, account).is_active
    assert record_of("accounts.account.reopen").after == {"is_active": True}


def test_an_account_with_money_is_not_closed(account: TradingAccount) -> None:
    fund(account, account.currency, "0.5")

    refusal = refused(standing.close_account, account)

    assert (refusal.code, refusal.status) == (Code.ACCOUNT_IN_USE, 409)
    assert refusal.context == {f"{account.currency.code} client": "0.5"}


def test_an_account_with_an_open_order_is_not_closed() -> None:
    market = make_market()
    trader = market.trader(base=1, quote=0)
    market.sell(trader, 1, 50000)

    assert refused(standing.close_account, trader).code == Code.ACCOUNT_IN_USE


@pytest.mark.parametrize(
    ("service", "how", "code"),
    [
        (standing.change_group, {"group_id": None}, Code.NO_CHANGE),
        (standing.change_group, {"group_id": 2**40}, Code.NOT_FOUND),
        (standing.change_mode, {"mode": PositionMode.NETTING}, Code.NO_CHANGE),
        (standing.reopen_account, {}, Code.NO_CHANGE),
        (standing.close_account, {"reason": " "}, Code.REASON_REQUIRED),
        (standing.close_account, {"account_id": 2**40}, Code.ACCOUNT_NOT_FOUND),
    ],
)
def test_what_is_refused(
    account: TradingAccount, service: Callable[..., TradingAccount], how: dict[str, Any], code: Code
) -> None:
    assert refused(service, account, **how).code == code


@pytest.mark.parametrize("leverage", [101, 0])
def test_leverage_is_never_above_its_maximum(leverage: int) -> None:
    account = make_account(currency=make_asset(), leverage=50, max_leverage=100)

    refusal = refused(people.change_account, account, changes={"leverage": leverage})

    assert refusal.code == Code.INVALID_FIELD


@pytest.mark.parametrize(("was", "becomes"), [(AccountType.DEMO, "live"), (AccountType.LIVE, "demo")])
def test_play_money_never_becomes_real(was: AccountType, becomes: str) -> None:
    account = make_account(currency=make_asset(), type=was)

    assert refused(people.change_account, account, changes={"type": becomes}).code == Code.FIELD_IS_FIXED
