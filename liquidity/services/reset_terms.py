"""Which accounts can be reset, what a reset leaves them with, and what it would change now."""

from __future__ import annotations

from decimal import Decimal

from accounts.models import LedgerAccount, LedgerKind, Position, TradingAccount
from accounts.services.amounts import check_amount
from accounts.services.opening import opening_amounts
from audit.approvable import EffectRow
from instruments.models import Asset, Realm
from instruments.scaling import short_text
from orders.models import Order
from tradeplatform.common.errors import Code, Refusal

#: What a demo account starts with where nothing else was said, in its currency.
DEFAULT_BALANCE = Decimal(100_000)
_ZERO = Decimal(0)


def check_may_reset(account: TradingAccount, balance: Decimal | None) -> None:
    """Refuse unless it is a demo account that is open, and the balance an amount of its currency."""
    if account.realm != Realm.DEMO:
        raise Refusal(
            Code.NOT_A_DEMO_ACCOUNT,
            "Only a demo account can be reset.",
            account=str(account.pk),
            type=account.type,
        )
    if not account.is_active:
        raise Refusal(Code.ACCOUNT_INACTIVE, f"{account} is closed.", account=str(account.pk))
    if balance is not None and balance != _ZERO:
        if balance.is_finite() and balance < 0:
            raise Refusal(Code.INVALID_NUMBER, "balance must be zero or greater.", field="balance")
        check_amount(balance, account.currency)


def starting_amounts(account: TradingAccount, balance: Decimal | None) -> dict[str, Decimal]:
    """What a reset leaves, by asset: of the currency what was asked for, else all it was opened with."""
    if balance is not None:
        return {account.currency.code: balance}
    assets = list(Asset.objects.values_list("code", flat=True))
    opened = opening_amounts([account.account_number], assets)
    return {asset: amount for (_number, asset), amount in opened.items()} or {
        account.currency.code: DEFAULT_BALANCE
    }


def preview(account: TradingAccount, balance: Decimal | None) -> list[EffectRow]:
    """What a reset would end, and what it would leave. Raises what asking for it would refuse at once."""
    check_may_reset(account, balance)
    targets = starting_amounts(account, balance)
    rows = LedgerAccount.objects.filter(account=account).select_related("asset")
    owned = {row.asset.code: row.balance for row in rows if row.kind == LedgerKind.CLIENT}
    lent = {row.asset.code: row.balance for row in rows if row.kind == LedgerKind.CREDIT and row.balance}
    orders = Order.objects.live().for_account(account.pk).count()
    positions = Position.objects.filter(account=account, closed_at__isnull=True).count()
    return [
        ("Open orders", str(orders), "0"),
        ("Open positions", str(positions), "0"),
        *(
            (f"{code} balance", short_text(owned.get(code, _ZERO)), short_text(targets.get(code, _ZERO)))
            for code in sorted(owned | targets)
        ),
        *((f"{code} credit", short_text(lent[code]), "0") for code in sorted(lent)),
    ]
