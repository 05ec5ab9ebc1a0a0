"""Buttons on positions: close, reverse, exits. Each is rehearsed, shown, and asks again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from accounts.models import Position, TradingAccount
from audit.admin.acting import actor_of
from liquidity.admin.rehearsing import ask_of, rehearse
from liquidity.services import dealing
from liquidity.services.stopping_out import liquidate
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.editing import Edit, EditForm
from tradeplatform.common.admin.fields import amount_field
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


def has_open(account: TradingAccount) -> bool:
    """Whether an account has an open position."""
    return Position.objects.filter(account=account, closed_at__isnull=True).exists()
