"""Buttons on positions: close, reverse, break even, exits. Each is rehearsed, shown, and asks again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import Position, TradingAccount
from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.scaling import short_text
from liquidity.admin.rehearsing import ask_of, rehearse, rehearse_exits
from liquidity.services import dealing
from liquidity.services.stopping_out import liquidate
from liquidity.services.valuing import average_price
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.editing import Edit, EditForm
from tradeplatform.common.admin.fields import amount_field, choice_field
from tradeplatform.common.changes import Seen

_PERMISSION = "accounts.deal_position"


class OnPosition(Button):
    """An act on one position while it is open."""

    permission = _PERMISSION
    previews = True

    def shown(self, obj: Position) -> bool:
        """While it is open."""
        return obj.is_open

    def why_not(self, obj: Position) -> str:
        """It is closed."""
        return "" if obj.is_open else "The position is closed already."


class CloseForm(ReasonForm):
    """How much of it."""

    volume = amount_field("Volume", required=False, help_text="In contracts; empty closes all of it.")


class ClosePosition(OnPosition):
    """Close it in its owner's name, at the client's price of now."""

    name, label, icon = "close", "Close", "logout"
    danger = True
    form_class = CloseForm

    def effects(self, obj: Position, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What it would do now; the price of the moment of the press counts."""
        if not data:
            return ()
        return rehearse(
            self.request,
            obj.account,
            lambda ask: dealing.close_position(ask, position_id=obj.pk, volume=data["volume"]),
        )

    def act(self, obj: Position, data: Mapping[str, Any]) -> Done:
        """Close it."""
        ask = ask_of(self.request, obj.account_id, dict(data))
        (deal,) = dealing.close_position(ask, position_id=obj.pk, volume=data["volume"])
        return Done(f"Closed {deal.volume.normalize():f} at {(deal.price or deal.pnl).normalize():f}.")


class ReversePosition(OnPosition):
    """Close it and open as much the other way."""

    name, label, icon = "reverse", "Reverse", "swap_vert"

    def effects(self, obj: Position, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Both deals."""
        return rehearse(
            self.request, obj.account, lambda ask: dealing.reverse_position(ask, position_id=obj.pk)
        )

    def act(self, obj: Position, data: Mapping[str, Any]) -> Done:
        """Reverse it."""
        ask = ask_of(self.request, obj.account_id, dict(data))
        deals = dealing.reverse_position(ask, position_id=obj.pk)
        return Done(f"Reversed: position {deals[-1].position_id} is open the other way.")


class OppositeForm(ReasonForm):
    """Against which position."""

    opposite = choice_field("Against position", ())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = opposites_of(self.obj) if isinstance(self.obj, Position) else ()
        self.fields["opposite"].choices = [  # type: ignore[attr-defined]
            (str(other.pk), f"#{other.pk}, {other.get_direction_display()} {short_text(other.volume)}")
            for other in found
        ]


class CloseByOpposite(OnPosition):
    """Close it against an opposite position of the same account, without the spread."""

    name, label, icon = "close-by", "Close by opposite", "compare_arrows"
    danger = True
    form_class = OppositeForm

    def why_not(self, obj: Position) -> str:
        """It is closed, or nothing is opposite to it."""
        return super().why_not(obj) or ("" if opposites_of(obj) else "It has no opposite position.")

    def intro(self, obj: Position) -> str:
        """At which price."""
        return "This one closes at the average open price of the other, by the smaller of the two volumes."

    def effects(self, obj: Position, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Both deals."""
        if not data:
            return ()
        return rehearse(
            self.request,
            obj.account,
            lambda ask: dealing.close_by(ask, position_id=obj.pk, opposite_id=int(data["opposite"])),
        )

    def act(self, obj: Position, data: Mapping[str, Any]) -> Done:
        """Close both."""
        ask = ask_of(self.request, obj.account_id, dict(data))
        first, _second = dealing.close_by(ask, position_id=obj.pk, opposite_id=int(data["opposite"]))
        return Done(f"Closed {short_text(first.volume)} against position {data['opposite']}.")


class BreakEven(OnPosition):
    """Move the stop loss to where closing leaves no loss."""

    name, label, icon = "break-even", "Break even", "balance"

    def intro(self, obj: Position) -> str:
        """Where that is."""
        return "Where closing leaves no loss, after commission, swap and the commission of the close."

    def effects(self, obj: Position, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The stop loss, before and after."""
        ((before, after), _take_profit) = rehearse_exits(
            self.request, obj, lambda ask: dealing.break_even(ask, position_id=obj.pk)
        )
        instrument = obj.instrument
        average = market.price(average_price(obj), instrument, extra=2)
        return [
            Effect("Stop loss", market.price(before, instrument), market.price(after, instrument)),
            Effect("Average open price", "", average),
            Effect("Cost so far", "", market.amount(obj.commission - obj.swap, obj.account.currency)),
        ]

    def act(self, obj: Position, data: Mapping[str, Any]) -> Done:
        """Set it."""
        dealing.break_even(ask_of(self.request, obj.account_id, dict(data)), position_id=obj.pk)
        obj.refresh_from_db(fields=["stop_loss"])
        return Done(f"The stop loss is at {short_text(obj.stop_loss or Decimal(0))}.")


class ExitsForm(EditForm):
    """Where it closes by itself."""

    stop_loss = amount_field("Stop loss", required=False, help_text="Empty takes it away.")
    take_profit = amount_field("Take profit", required=False, help_text="Empty takes it away.")


class SetExits(OnPosition, Edit):
    """Stop loss and take profit."""

    name, label, icon = "exits", "Stop loss, take profit", "flag"
    fields = ("stop_loss", "take_profit")
    form_class = ExitsForm

    def save(self, obj: Position, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Set what differs."""
        ask = ask_of(self.request, obj.account_id, dict(data))
        dealing.amend_exits(ask, position_id=obj.pk, changes=changes, seen=seen)
        return Done("The exits were changed.")


class CloseAll(Button):
    """Close every position of an account."""

    name, label, icon = "close-positions", "Close all positions", "playlist_remove"
    permission = _PERMISSION
    danger = True
    previews = True

    def why_not(self, obj: TradingAccount) -> str:
        """There is none."""
        return "" if has_open(obj) else f"{obj} has no open position."

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Every deal."""
        return rehearse(self.request, obj, dealing.close_all)

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Close them."""
        deals = dealing.close_all(ask_of(self.request, obj.pk, dict(data)))
        return Done(f"Closed {len(deals)} positions of {obj}.")


class StopOut(Button):
    """Close the largest losses until the margin level is back."""

    name, label, icon = "stop-out", "Stop out", "crisis_alert"
    permission = _PERMISSION
    danger = True
    previews = True

    def why_not(self, obj: TradingAccount) -> str:
        """There is none."""
        return "" if has_open(obj) else f"{obj} has no open position."

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What would be closed; nothing where the level is above the stop-out."""
        return rehearse(
            self.request,
            obj,
            lambda ask: liquidate(obj.pk, actor=ask.actor, now=ask.now, reason=ask.reason),
        )

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Close them."""
        deals = liquidate(
            obj.pk, actor=actor_of(self.request), now=timezone.now(), reason=str(data["reason"])
        )
        if not deals:
            return Done("The margin level is above the stop-out: nothing was closed.")
        return Done(f"Closed {len(deals)} positions of {obj}.")


def opposites_of(position: Position) -> list[Position]:
    """The open positions that it could be closed against."""
    same = Position.objects.filter(
        account_id=position.account_id,
        instrument_id=position.instrument_id,
        contract_size=position.contract_size,
        closed_at__isnull=True,
    )
    return list(same.exclude(direction=position.direction).order_by("id"))


def has_open(account: TradingAccount) -> bool:
    """Whether an account has an open position."""
    return Position.objects.filter(account=account, closed_at__isnull=True).exists()
