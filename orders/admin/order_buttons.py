"""Buttons that cancel: one order, or all live orders of an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.html import format_html

from accounts.models import LedgerAccount, TradingAccount
from audit.admin.acting import actor_of
from instruments.admin import show as market
from orders.admin import show as trading
from orders.models import Command, Order, Side
from orders.services import operator_acts
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect

CAP = 1_000


class CancelOrder(Button):
    """Ask for the order to be cancelled, whoever owns it."""

    name, label, icon = "cancel", "Cancel order", "cancel"
    permission = "orders.cancel_order"
    danger = True

    def shown(self, obj: Order) -> bool:
        """While something of it is open."""
        return not obj.is_final

    def why_not(self, obj: Order) -> str:
        """It is final."""
        if obj.is_final:
            return f"This order is {obj.get_status_display().lower()}: nothing of it is open."
        return ""

    def title(self, obj: Order) -> str:
        """Its number."""
        return f"Cancel order {obj.pk}"

    def intro(self, obj: Order) -> str:
        """Which order it is."""
        return (
            f"{obj.get_side_display()} {obj.instrument.symbol} for {obj.account}, "
            f"client order id {obj.client_order_id}. Fills that come first stay."
        )

    def effects(self, obj: Order, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What is taken out of the book and what becomes available again."""
        instrument = obj.instrument
        asset = instrument.quote if obj.side == Side.BUY else instrument.base
        ledger = LedgerAccount.objects.filter(account_id=obj.account_id, asset=asset).first()
        effects = [
            Effect("Status", trading.status(obj), "Cancelled"),
            Effect(
                "Open quantity",
                market.quantity(obj.leaves, instrument, unit=True),
                market.quantity(Decimal(0), instrument),
            ),
            Effect("Held for it", market.amount(obj.held, asset), market.amount(Decimal(0), asset)),
        ]
        if ledger:
            effects.append(
                Effect(
                    f"{obj.account} available",
                    market.amount(ledger.available, asset),
                    market.amount(ledger.available + obj.held, asset),
                )
            )
        return effects

    def act(self, obj: Order, data: Mapping[str, Any]) -> Done:
        """Ask; the book answers a moment later."""
        requested = operator_acts.cancel_order(
            order_id=obj.pk, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done(
            format_html(
                "The cancel of order {} is on its way as {}. Reload to see the book's answer.",
                obj.pk,
                show.ref_to(Command, requested.command_id, f"command {requested.command_id}"),
            )
        )


class CancelAllOrders(Button):
    """Ask for all live orders of an account to be cancelled."""

    name, label, icon = "cancel-all", "Cancel all orders", "cancel"
    permission = "orders.cancel_order"
    danger = True

    def why_not(self, obj: TradingAccount) -> str:
        """There is none."""
        return "" if _live(obj) else f"{obj} has no live order."

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """How many, and what they hold."""
        live = _live(obj)
        held = LedgerAccount.objects.filter(account=obj, held__gt=0).select_related("asset")
        return [
            Effect("Live orders", capped(live), "0"),
            *(
                Effect(
                    f"{row.asset.code} available",
                    market.amount(row.available, row.asset),
                    market.amount(row.balance, row.asset),
                )
                for row in held.order_by("asset__code")
            ),
        ]

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Ask for each."""
        requested = operator_acts.cancel_all_orders(
            account_id=obj.pk,
            account_number=obj.account_number,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(
            format_html(
                "{} cancels are on their way. {}",
                len(requested),
                show.link(show.list_of(Order, account=obj.account_number), "See the orders"),
            )
        )


def _live(account: TradingAccount) -> int:
    return len(Order.objects.live().for_account(account.pk).values_list("id")[: CAP + 1])


def capped(count: int, cap: int = CAP) -> str:
    """A count that stopped counting at its cap."""
    return f"more than {show.whole(cap)}" if count > cap else show.whole(count)
