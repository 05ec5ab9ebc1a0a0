"""What a deal would do, found out by doing it and taking it back: the effect shown is the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import uuid_utils
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Deal, LedgerAccount, LedgerKind, Position, TradingAccount
from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.scaling import short_text
from liquidity.selectors import margin_of
from liquidity.services.dealing import Ask
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Effect
from tradeplatform.common.db import rehearsal
from tradeplatform.common.errors import Refusal


def ask_of(request: HttpRequest, account_id: int, data: dict[str, object]) -> Ask:
    """The person's request, by the form's own id and with the reason that was given."""
    return Ask(
        account_id, str(data["request_id"]), actor_of(request), timezone.now(), reason=str(data["reason"])
    )


def rehearse(
    request: HttpRequest, account: TradingAccount, act: Callable[[Ask], Sequence[Deal]]
) -> list[Effect]:
    """The deals that `act` would make now, and balance and margin before and after. May raise Refusal."""
    before = _figures(account)
    with rehearsal():
        deals = act(_trial(request, account))
        after = _figures(account)
    return [
        *(_effect(deal, account) for deal in deals),
        *(
            Effect(name, before[name], after[name])
            for name in before
            if before[name] != after[name] or name == "Balance"
        ),
    ]


def rehearse_exits(
    request: HttpRequest, position: Position, act: Callable[[Ask], None]
) -> list[tuple[Decimal | None, Decimal | None]]:
    """Stop loss and take profit, each before `act` and after it. May raise Refusal."""
    before = (position.stop_loss, position.take_profit)
    with rehearsal():
        act(_trial(request, position.account))
        after = Position.objects.values_list("stop_loss", "take_profit").get(pk=position.pk)
    return list(zip(before, after, strict=True))


def _trial(request: HttpRequest, account: TradingAccount) -> Ask:
    """A request that nobody has made: what comes of it is taken back."""
    return Ask(
        account.pk, uuid_utils.uuid7().hex, actor_of(request), timezone.now(), reason="looked at, not done"
    )


def _effect(deal: Deal, account: TradingAccount) -> Effect:
    verb = "Buy" if deal.buys else "Sell"
    price = short_text(deal.price or Decimal(0))
    lines = [
        f"{deal.get_kind_display().lower()} at {price}",
        show.together(["P&L", market.amount(deal.pnl, account.currency)]) if deal.kind != "open" else "",
        show.together(["commission", market.amount(deal.commission, account.currency)])
        if deal.commission
        else "",
    ]
    return Effect(
        f"{verb} {short_text(deal.volume)} {deal.instrument.symbol}", "", show.lines(*filter(None, lines))
    )


def _figures(account: TradingAccount) -> dict[str, object]:
    ledger = LedgerAccount.objects.filter(
        account=account, asset=account.currency, kind=LedgerKind.CLIENT
    ).first()
    balance = ledger.balance if ledger else Decimal(0)
    figures: dict[str, object] = {"Balance": market.amount(balance, account.currency)}
    try:
        state = margin_of(account.pk, now=timezone.now())
    except Refusal:
        return figures | {"Margin level": show.NOTHING}
    return figures | {
        "Margin used": market.amount(state.standing.margin, account.currency),
        "Free margin": market.amount(state.standing.free, account.currency),
        "Margin level": show.NOTHING if state.standing.level is None else f"{state.standing.level:f} %",
    }
