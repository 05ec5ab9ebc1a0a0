"""Buttons that end many orders at once: of an instrument or of an account, of one side or of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from accounts.models import LedgerAccount, TradingAccount
from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.models import Instrument
from orders.admin import show as trading
from orders.admin.books import count_capped
from orders.admin.order_buttons import CAP, capped
from orders.models import PARKED, RESTING, OrderStatus, Side, standing
from orders.services import operator_acts
from orders.services.operator_acts import Scope
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import choice_field, text_field

_SIDES = [("", "Both sides"), *Side.choices]


class OnInstrumentForm(ReasonForm):
    """Whose orders of the instrument."""

    account = text_field("Account", required=False, help_text="An account number; empty means everybody's.")
    side = choice_field("Side", _SIDES, required=False)
    when_empty: ClassVar[Mapping[str, str]] = {"account": "everybody"}

    def clean_account(self) -> TradingAccount | None:
        """The account by its number."""
        number = str(self.cleaned_data["account"]).strip().upper()
        if not number:
            return None
        found = TradingAccount.objects.filter(account_number=number).first()
        if found is None:
            raise forms.ValidationError("No such account.")
        return found


class MassCancel(Button):
    """End all orders of an instrument, or those of one account or side in it."""

    name, label, icon = "mass-cancel", "Mass cancel", "cancel_presentation"
    permission = "instruments.halt_instrument"
    form_class: ClassVar[type[ReasonForm]] = OnInstrumentForm
    danger = True
    previews = True

    def scope(self, obj: Any, data: Mapping[str, Any]) -> Scope:
        """What is meant."""
        return Scope(instrument=obj, account=data.get("account"), side=_side(data))

    def why_not(self, obj: Any) -> str:
        """There is none."""
        return "" if count_capped(self.scope(obj, {}).live(), 0) else f"{obj} has no live order."

    def intro(self, obj: Any) -> str:
        """What it does not do."""
        return "Orders that come in behind it stay: halt first to keep them out. Fills that come first stay."

    def effects(self, obj: Any, data: Mapping[str, Any]) -> Sequence[Effect]:
        """How many, by where they are."""
        live = self.scope(obj, data).live()
        return [
            Effect(label, capped(count_capped(live.filter(standing(*statuses)), CAP)), "0")
            for label, statuses in (
                ("Resting orders", RESTING),
                ("Parked orders", PARKED),
                ("Orders the book has not seen yet", [OrderStatus.PENDING]),
            )
        ]

    def act(self, obj: Any, data: Mapping[str, Any]) -> Done:
        """Ask each book."""
        commands = operator_acts.mass_cancel(
            scope=self.scope(obj, data),
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return trading.on_its_way("The mass cancel", commands)


class OnAccountForm(ReasonForm):
    """Which orders of the account."""

    instrument = text_field("Instrument", required=False, help_text="A symbol; empty means all.")
    side = choice_field("Side", _SIDES, required=False)
    when_empty: ClassVar[Mapping[str, str]] = {"instrument": "all"}

    def clean_instrument(self) -> Instrument | None:
        """The instrument by its symbol."""
        symbol = str(self.cleaned_data["instrument"]).strip().upper()
        if not symbol:
            return None
        found = Instrument.objects.filter(symbol=symbol).first()
        if found is None:
            raise forms.ValidationError("No such instrument.")
        return found


class CancelAllOrders(MassCancel):
    """End the orders of an account, or those in one instrument or of one side."""

    name, label, icon = "cancel-all", "Cancel all orders", "cancel"
    permission = "orders.cancel_order"
    form_class = OnAccountForm

    def scope(self, obj: Any, data: Mapping[str, Any]) -> Scope:
        """What is meant."""
        return Scope(account=obj, instrument=data.get("instrument"), side=_side(data))

    def intro(self, obj: Any) -> str:
        """What it does not do."""
        return "Orders that come in behind it stay: lock the account to keep them out."

    def effects(self, obj: Any, data: Mapping[str, Any]) -> Sequence[Effect]:
        """How many, and, where it means all of them, what becomes available."""
        counted = super().effects(obj, data)
        if data.get("instrument") or data.get("side"):
            return counted
        held = LedgerAccount.objects.filter(account=obj, held__gt=0).select_related("asset")
        return [
            *counted,
            *(
                Effect(
                    f"{row.asset.code} available",
                    market.amount(row.available, row.asset),
                    market.amount(row.balance, row.asset),
                )
                for row in held.order_by("asset__code")
            ),
        ]


def _side(data: Mapping[str, Any]) -> Side | None:
    return Side(data["side"]) if data.get("side") else None
