"""Buttons on one order: cancel it, or amend it in its owner's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django.utils import timezone

from accounts.selectors import balances_of
from audit.admin.acting import actor_of
from instruments.admin import show as market
from orders.admin import show as trading
from orders.models import PARKED, TRAILING, TRIGGERED, Order, Side
from orders.services import operator_acts
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import amount_field

CAP = 1_000
# A trailing trigger is moved by the market alone.
_MOVABLE = TRIGGERED - TRAILING


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
        ledger = balances_of(obj.account_id).filter(asset=asset).first()
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
        return trading.on_its_way(f"The cancel of order {obj.pk}", [requested.command_id])


class AmendForm(ReasonForm):
    """What is to be different; what is left empty stays."""

    price = amount_field("New price", help_text="Empty keeps it.", required=False)
    quantity = amount_field(
        "New total quantity", help_text="What is filled included. Empty keeps it.", required=False
    )
    trigger_price = amount_field("New trigger price", help_text="Empty keeps it.", required=False)
    when_empty: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("price", "quantity", "trigger_price"), "as it is"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.obj, Order) or self.obj.status not in PARKED or self.obj.type not in _MOVABLE:
            del self.fields["trigger_price"]


class AmendOrder(Button):
    """Ask for another price, quantity or trigger, as the owner would."""

    name, label, icon = "amend", "Amend order", "edit"
    permission = "orders.amend_order"
    form_class = AmendForm
    previews = rehearsed = True

    def shown(self, obj: Order) -> bool:
        """While something of it is open."""
        return not obj.is_final

    def why_not(self, obj: Order) -> str:
        """It is final."""
        return CancelOrder.why_not(CancelOrder(self.request), obj)

    def title(self, obj: Order) -> str:
        """Its number."""
        return f"Amend order {obj.pk}"

    def intro(self, obj: Order) -> str:
        """What it means for the order's place."""
        place = "Less quantity at the same price keeps its place in the queue; anything else loses it."
        if obj.status in PARKED:
            place = "A parked order keeps its place, whatever is changed."
        return f"Asked in its owner's name and checked as the owner's own wish. {place}"

    def effects(self, obj: Order, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What differs."""
        instrument = obj.instrument
        price, quantity, trigger = (data.get(name) for name in ("price", "quantity", "trigger_price"))
        rows = [
            ("Price", price, market.price(obj.price, instrument), market.price(price, instrument)),
            (
                "Quantity",
                quantity,
                market.quantity(obj.quantity, instrument),
                market.quantity(quantity, instrument),
            ),
            (
                "Trigger price",
                trigger,
                market.price(obj.trigger_price, instrument),
                market.price(trigger, instrument),
            ),
        ]
        return [Effect(label, before, after) for label, asked, before, after in rows if asked is not None]

    def act(self, obj: Order, data: Mapping[str, Any]) -> Done:
        """Ask; the book answers a moment later."""
        requested = operator_acts.amend_order(
            order_id=obj.pk,
            price=data.get("price"),
            quantity=data.get("quantity"),
            trigger_price=data.get("trigger_price"),
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return trading.on_its_way(f"The amend of order {obj.pk}", [requested.command_id])


def capped(count: int, cap: int = CAP) -> str:
    """A count that stopped counting at its cap."""
    return f"more than {show.whole(cap)}" if count > cap else show.whole(count)
