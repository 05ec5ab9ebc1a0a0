"""Buttons that move an instrument from phase to phase: each says first what would become of its orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.safestring import SafeString

from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.models import HaltPolicy, Instrument, InstrumentStatus
from instruments.selectors import rules_by_id
from orders.admin import show as trading
from orders.admin.books import count_capped, in_engine_capped
from orders.admin.depth_panels import opening
from orders.admin.order_buttons import CAP, capped
from orders.indicative import indicative
from orders.models import Order, TimeInForce
from orders.services import phases
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import choice_field
from tradeplatform.common.errors import Refusal

_TAKEN = {
    InstrumentStatus.ACTIVE: "taken",
    InstrumentStatus.PRE_OPEN: "taken if they can wait",
    InstrumentStatus.AUCTION: "taken if they can wait",
}


_PREVENTION = (
    "Where orders of one owner would meet, self-trade prevention ends or shrinks them: "
    "then less trades than is shown."
)


class PolicyForm(ReasonForm):
    """What becomes of the orders in the book."""

    policy = choice_field("Open orders", HaltPolicy.choices)


class PhaseButton(Button):
    """Ask for a status; `to` says which."""

    to: ClassVar[InstrumentStatus]
    permission = "instruments.halt_instrument"

    def refusal(self, obj: Instrument) -> Refusal | None:
        """Why it would be refused now, if it would."""
        return _standing(obj).why_not(self.to)

    def shown(self, obj: Instrument) -> bool:
        """While it can be asked for."""
        return self.refusal(obj) is None

    def why_not(self, obj: Instrument) -> str:
        """In the words of the service."""
        refusal = self.refusal(obj)
        return refusal.message if refusal else ""

    def effects(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Status, new orders, the orders that are there."""
        return [
            Effect("Status", market.status(obj), self.to.label),
            Effect("New orders and amends", _taken(obj.status), _taken(self.to)),
            *self.on_orders(obj, data),
        ]

    def on_orders(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What becomes of what rests or is parked."""
        return [Effect("Open orders", _open(obj), "stay, and may be cancelled")]

    def act(self, obj: Instrument, data: Mapping[str, Any]) -> Done:
        """Ask; what is taken less counts at once, the book follows."""
        command = phases.request_phase(
            symbol=obj.symbol,
            to=self.to,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
            cancel_resting=self.cancels(data),
        )
        return trading.on_its_way(f"The change of {obj.symbol} to {self.to.label.lower()}", [command])

    def cancels(self, data: Mapping[str, Any]) -> bool | None:
        """Whether open orders go; None: there is nothing to choose."""
        return None


class Stop(PhaseButton):
    """Stop trading, with or without the orders that are there."""

    form_class: ClassVar[type[ReasonForm]] = PolicyForm
    danger = True
    previews = True

    def initial(self, obj: Instrument) -> Mapping[str, Any]:
        """The instrument's own policy."""
        return {"policy": obj.halt_policy}

    def cancels(self, data: Mapping[str, Any]) -> bool:
        """As chosen."""
        return bool(data["policy"] == HaltPolicy.CANCEL)

    def on_orders(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """They go or stay."""
        gone, stay = "0: all are cancelled, their funds released", "stay, and may be cancelled"
        return [Effect("Open orders", _open(obj), gone if self.cancels(data) else stay)]

    def act(self, obj: Instrument, data: Mapping[str, Any]) -> Done:
        """Ask; intake refuses from now on, the book follows."""
        command = phases.halt_instrument(
            symbol=obj.symbol,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
            status=self.to,
            cancel_resting=self.cancels(data),
        )
        standing = f"{obj.symbol} is {self.to.label.lower()}: no order is taken from now on."
        return trading.on_its_way(f"{standing} What its book has to do", [command])


class Halt(Stop):
    """Stop trading for now."""

    name, label, icon = "halt", "Halt", "front_hand"
    to = InstrumentStatus.HALTED


class Maintain(Stop):
    """Stop trading for planned work."""

    name, label, icon = "maintenance", "Maintenance", "build"
    to = InstrumentStatus.MAINTENANCE


class Delist(Stop):
    """Stop trading for good."""

    name, label, icon = "delist", "Delist", "delete_forever"
    to = InstrumentStatus.DELISTED
    permission = "instruments.change_instrument"
    form_class = ReasonForm

    def initial(self, obj: Instrument) -> Mapping[str, Any]:
        """There is no choice."""
        return {}

    def intro(self, obj: Instrument) -> str:
        """There is no way back."""
        return "A delisted instrument never trades again, and all its open orders are cancelled."

    def cancels(self, data: Mapping[str, Any]) -> bool:
        """Always."""
        return True


class CancelOnly(PhaseButton):
    """Let people out, and nobody in."""

    name, label, icon = "cancel-only", "Cancel only", "door_open"
    to = InstrumentStatus.CANCEL_ONLY
    danger = True


class Close(PhaseButton):
    """End the session: day orders end with it."""

    name, label, icon = "close", "Close", "nightlight"
    to = InstrumentStatus.CLOSED
    danger = True

    def on_orders(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Day orders end, the others wait for the next session."""
        day = Order.objects.in_engine().filter(instrument=obj, time_in_force=TimeInForce.DAY)
        return [
            Effect("Day orders", capped(count_capped(day, CAP)), "0: they end, their funds are released"),
            Effect("Open orders", _open(obj), "all others stay for the next session"),
        ]


class PreOpen(PhaseButton):
    """Collect orders for the opening."""

    name, label, icon = "pre-open", "Pre-open", "wb_twilight"
    to = InstrumentStatus.PRE_OPEN
    permission = "instruments.resume_instrument"

    def on_orders(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """They may cross until the opening."""
        return [Effect("Open orders", _open(obj), "stay; new ones join them, and nothing matches")]


class StartAuction(PhaseButton):
    """Collect orders with the indicative price published, then uncross."""

    name, label, icon = "auction", "Auction", "gavel"
    to = InstrumentStatus.AUCTION
    permission = "instruments.resume_instrument"

    def on_orders(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """They may cross until its end."""
        return [
            Effect("Open orders", _open(obj), "stay; new ones join them, and nothing matches"),
            Effect("The auction ends", "", _auction_end(obj)),
        ]


class EndAuction(PhaseButton):
    """Uncross now, before the auction's time or where it has none."""

    name, label, icon = "end-auction", "End auction", "sports_score"
    to = InstrumentStatus.ACTIVE
    permission = "instruments.resume_instrument"

    def intro(self, obj: Instrument) -> str:
        """What the figures do not say."""
        return _PREVENTION

    def refusal(self, obj: Instrument) -> Refusal | None:
        """There is none to end."""
        return _standing(obj).why_not_end_auction()

    def on_orders(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What the uncross would do, from the orders that are there now."""
        return [Effect("Traded at the auction's price", "", _opening(obj))]

    def act(self, obj: Instrument, data: Mapping[str, Any]) -> Done:
        """Ask; it trades once the book has said so."""
        command = phases.end_auction(
            symbol=obj.symbol, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return trading.on_its_way(f"The end of the auction of {obj.symbol}", [command])


class Resume(PhaseButton):
    """Trade again, through an auction where the instrument has one."""

    name, label, icon = "resume", "Resume", "play_arrow"
    to = InstrumentStatus.ACTIVE
    permission = "instruments.resume_instrument"

    def intro(self, obj: Instrument) -> str:
        """What the figures do not say."""
        return _PREVENTION

    def shown(self, obj: Instrument) -> bool:
        """While it is stopped, but not for good; an auction is ended instead."""
        lasting = {InstrumentStatus.ACTIVE, InstrumentStatus.AUCTION, InstrumentStatus.DELISTED}
        return obj.status not in lasting

    def refusal(self, obj: Instrument) -> Refusal | None:
        """It trades, will soon, or never will."""
        return _standing(obj).why_not_resume()

    def effects(self, obj: Instrument, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Status, orders, and what would trade at once."""
        staying, first = _open(obj), phases.opens_as(obj)
        then = f"Auction, which ends {_auction_end(obj)}; then active"
        return [
            Effect(
                "Status",
                market.status(obj),
                then if first == InstrumentStatus.AUCTION else "Active, once the book has said so",
            ),
            Effect("New orders and amends", _taken(obj.status), _taken(first)),
            Effect("Open orders", staying, f"{staying}, at their places"),
            Effect("Traded by opening now", "", _opening(obj)),
        ]

    def act(self, obj: Instrument, data: Mapping[str, Any]) -> Done:
        """Ask; it trades once the book has said so."""
        command = phases.resume_instrument(
            symbol=obj.symbol, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return trading.on_its_way(f"The resumption of {obj.symbol}", [command])


def _standing(instrument: Any) -> phases.Standing:
    """Where it stands, read once for all buttons of a page."""
    if not hasattr(instrument, "standing"):
        instrument.standing = phases.standing(instrument)
    found: phases.Standing = instrument.standing
    return found


def _taken(status: str) -> str:
    return _TAKEN.get(InstrumentStatus(status), "denied")


def _open(instrument: Instrument) -> str:
    """How many orders rest or are parked."""
    return capped(in_engine_capped(instrument.pk, CAP))


def _auction_end(instrument: Instrument) -> str:
    seconds = instrument.auction_seconds
    return f"by itself after {seconds} s" if seconds else "when an operator ends it"


def _opening(instrument: Instrument) -> SafeString | str:
    return opening(indicative(rules_by_id([instrument.pk])[instrument.pk]), instrument)
