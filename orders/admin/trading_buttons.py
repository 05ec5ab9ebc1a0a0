"""Buttons that stop and start a market: halt, maintenance, delist, resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.html import format_html

from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.models import HaltPolicy, Instrument, InstrumentStatus
from orders.admin.books import resting_capped
from orders.admin.order_buttons import CAP, capped
from orders.models import Command
from orders.services import halting
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import choice_field


class PolicyForm(ReasonForm):
    """What becomes of the orders in the book."""

    policy = choice_field("Resting orders", HaltPolicy.choices)


class Stop(Button):
    """Stop trading; `status` says how."""

    status: ClassVar[InstrumentStatus]
    form_class: ClassVar[type[ReasonForm]] = PolicyForm
    danger = True
    previews = True
    permission = "instruments.halt_instrument"

    def shown(self, obj: Instrument) -> bool:
        """While it is not so already, and not gone for good."""
        return not self.why_not(obj)

    def why_not(self, obj: Instrument) -> str:
        """It is so already."""
        if obj.status == InstrumentStatus.DELISTED:
            return f"{obj} is delisted for good."
        if obj.status != self.status or halting.resume_is_pending(obj.pk):
            return ""
        return f"{obj} is {obj.get_status_display().lower()} already."

    def initial(self, obj: Instrument) -> Mapping[str, Any]:
        """The instrument's own policy."""
        return {"policy": obj.halt_policy}

    def cancels(self, data: Mapping[str, Any]) -> bool:
        """Whether resting orders go."""
        return bool(data["policy"] == HaltPolicy.CANCEL)

    def effects(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Status, new orders, resting orders."""
        resting = resting_capped(obj.pk, CAP)
        gone, stay = "0: all are cancelled, their funds released", "stay, and may be cancelled"
        return [
            Effect("Status", market.status(obj), self.status.label),
            Effect(
                "New orders and amends",
                "taken" if obj.status == InstrumentStatus.ACTIVE else "denied",
                "denied",
            ),
            Effect("Resting orders", capped(resting), gone if self.cancels(data) else stay),
        ]

    def act(self, obj: Instrument, data: Mapping[str, Any]) -> Done:
        """Ask; intake refuses from now on, the book follows."""
        command = halting.halt_instrument(
            symbol=obj.symbol,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
            status=self.status,
            cancel_resting=self.cancels(data),
        )
        return Done(
            format_html(
                "{} is {}: no order is taken from now on. The book follows with {}.",
                obj.symbol,
                self.status.label.lower(),
                show.ref_to(Command, command, f"command {command}"),
            )
        )


class Halt(Stop):
    """Stop trading for now."""

    name, label, icon = "halt", "Halt", "front_hand"
    status = InstrumentStatus.HALTED


class Maintain(Stop):
    """Stop trading for planned work."""

    name, label, icon = "maintenance", "Maintenance", "build"
    status = InstrumentStatus.MAINTENANCE


class Delist(Stop):
    """Stop trading for good."""

    name, label, icon = "delist", "Delist", "delete_forever"
    status = InstrumentStatus.DELISTED
    permission = "instruments.change_instrument"
    form_class = ReasonForm

    def initial(self, obj: Instrument) -> Mapping[str, Any]:
        """There is no choice."""
        return {}

    def intro(self, obj: Instrument) -> str:
        """There is no way back."""
        return "A delisted instrument never trades again, and all its resting orders are cancelled."

    def cancels(self, data: Mapping[str, Any]) -> bool:
        """Always."""
        return True


class Resume(Button):
    """Trade again."""

    name, label, icon = "resume", "Resume", "play_arrow"
    permission = "instruments.resume_instrument"

    def shown(self, obj: Instrument) -> bool:
        """While it is stopped, but not for good."""
        return obj.status in {InstrumentStatus.HALTED, InstrumentStatus.MAINTENANCE}

    def why_not(self, obj: Instrument) -> str:
        """It trades, or never will."""
        if obj.status == InstrumentStatus.DELISTED:
            return f"{obj} is delisted for good."
        if obj.status == InstrumentStatus.ACTIVE:
            return f"{obj} is trading already."
        return f"{obj} is being resumed already." if halting.resume_is_pending(obj.pk) else ""

    def effects(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Status, orders."""
        resting = capped(resting_capped(obj.pk, CAP))
        return [
            Effect("Status", market.status(obj), "Active, once the book has said so"),
            Effect("New orders and amends", "denied", "taken"),
            Effect("Resting orders", resting, f"{resting}, at their places"),
        ]

    def act(self, obj: Instrument, data: Mapping[str, Any]) -> Done:
        """Ask; it trades once the book has said so."""
        command = halting.resume_instrument(
            symbol=obj.symbol, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done(
            format_html(
                "The resumption of {} is on its way as {}. Reload to see the book's answer.",
                obj.symbol,
                show.ref_to(Command, command, f"command {command}"),
            )
        )
