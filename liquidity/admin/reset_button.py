"""The button that brings a demo account back to where it began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from accounts.models import ResetState, TradingAccount
from audit.admin.acting import actor_of
from instruments.models import Realm
from instruments.scaling import grouped
from liquidity.services.reset_terms import preview
from liquidity.services.resetting import reset_account
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import amount_field


class ResetForm(ReasonForm):
    """With how much it begins anew."""

    balance = amount_field(
        "Balance",
        required=False,
        help_text="Of the account's currency, and nothing else; empty: what the account was opened with.",
    )


class ResetDemo(Button):
    """Cancel its orders, close its positions, give it what it started with."""

    name, label, icon = "reset", "Reset demo account", "restart_alt"
    permission = "accounts.reset_tradingaccount"
    danger = True
    form_class = ResetForm
    previews = True

    def shown(self, obj: TradingAccount) -> bool:
        """Of demo accounts alone."""
        return bool(obj.realm == Realm.DEMO)

    def why_not(self, obj: TradingAccount) -> str:
        """It has real money, or is closed."""
        if obj.realm != Realm.DEMO:
            return "Only a demo account can be reset."
        return "" if obj.is_active else f"{obj} is closed."

    def intro(self, obj: TradingAccount) -> str:
        """What happens, and that nothing is forgotten."""
        return (
            "Its orders are cancelled, its positions closed at the last price, and its balances brought back "
            "by ledger entries. Nothing is deleted."
        )

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Orders, positions and balances, before and after."""
        rows = preview(obj, data.get("balance"))
        return [Effect(name, grouped(before), grouped(after)) for name, before, after in rows]

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Reset it."""
        reset = reset_account(
            account_id=obj.pk,
            balance=data["balance"],
            reason=str(data["reason"]),
            request_id=str(data["request_id"]),
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        if reset.state == ResetState.DONE:
            return Done(f"{obj} begins anew.")
        return Done(f"{obj} begins anew as soon as its orders are cancelled.")
