"""Buttons that move an account between groups and modes, and that close and reopen it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import PositionMode, TradingAccount, TradingGroup
from accounts.services import standing
from audit.admin.acting import actor_of
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import choice_field

_NONE = ("", "none: no markup, no commission, each instrument's own leverage")


class GroupForm(ReasonForm):
    """One of the groups, or none."""

    group = choice_field("Group", (), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["group"]
        if isinstance(chosen, forms.ChoiceField):
            groups = TradingGroup.objects.order_by("name").values_list("id", "name")
            chosen.choices = [_NONE, *((str(number), name) for number, name in groups)]


class ChangeGroup(Button):
    """Other terms."""

    name, label, icon = "group", "Change group", "workspaces"
    permission = "accounts.change_tradingaccount"
    form_class = GroupForm
    previews = True

    def initial(self, obj: TradingAccount) -> Mapping[str, Any]:
        """Where it is now."""
        return {"group": str(obj.group_id or "")}

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The terms of the two groups, where they differ."""
        if not data:
            return ()
        before = obj.group or TradingGroup(name="none")
        after = _group(data) or TradingGroup(name="none")
        return [Effect("Group", before.name, after.name)] + [
            Effect(label, getattr(before, name), getattr(after, name))
            for label, name in (
                ("Markup in price steps", "markup_steps"),
                ("Max leverage", "max_leverage"),
                ("Margin", "margin_method"),
                ("Margin call at, %", "call_level"),
                ("Stop-out at, %", "stop_out_level"),
            )
            if getattr(before, name) != getattr(after, name)
        ]

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Move it."""
        account = standing.change_group(
            account_id=obj.pk,
            group_id=int(data["group"]) if data["group"] else None,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{account} is in {account.group or 'no group'} now.")


class ModeForm(ReasonForm):
    """Netting or hedging."""

    mode = choice_field("Position mode", PositionMode.choices)


class ChangeMode(Button):
    """What a second deal in an instrument does."""

    name, label, icon = "mode", "Position mode", "layers"
    permission = "accounts.change_tradingaccount"
    form_class = ModeForm
    previews = True

    def initial(self, obj: TradingAccount) -> Mapping[str, Any]:
        """What it is now."""
        return {"mode": obj.position_mode}

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The two words."""
        after = PositionMode(data["mode"]).label if data else ""
        return [Effect("Position mode", obj.get_position_mode_display(), after)] if data else ()

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Change it."""
        account = standing.change_mode(
            account_id=obj.pk,
            mode=PositionMode(data["mode"]),
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{account}: {account.get_position_mode_display().lower()}.")


class CloseAccount(Button):
    """End it, when nothing is on it."""

    name, label, icon = "close", "Close account", "cancel"
    permission = "accounts.close_tradingaccount"
    danger = True

    def shown(self, obj: TradingAccount) -> bool:
        """While it is open."""
        return obj.is_active

    def why_not(self, obj: TradingAccount) -> str:
        """It is closed, or something is on it."""
        if not obj.is_active:
            return f"{obj} is closed already."
        found = standing.what_is_on(obj)
        names = ", ".join(f"{value} {name}" for name, value in found.items())
        return f"Something is on the account still: {names}." if found else ""

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What ends."""
        return [
            Effect("Orders and positions", "taken", "denied"),
            Effect("Money for it", "taken", "refused"),
        ]

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Close it."""
        standing.close_account(
            account_id=obj.pk, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done(f"{obj} is closed.")


class ReopenAccount(Button):
    """Let it trade again."""

    name, label, icon = "reopen", "Reopen account", "undo"
    permission = "accounts.close_tradingaccount"

    def shown(self, obj: TradingAccount) -> bool:
        """While it is closed."""
        return not obj.is_active

    def why_not(self, obj: TradingAccount) -> str:
        """It is open."""
        return f"{obj} is open." if obj.is_active else ""

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What begins again."""
        return [Effect("Orders, positions and money", "denied", "taken")]

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Reopen it."""
        standing.reopen_account(
            account_id=obj.pk, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done(f"{obj} is open again.")


def _group(data: Mapping[str, Any]) -> TradingGroup | None:
    return TradingGroup.objects.filter(id=data["group"]).first() if data.get("group") else None
