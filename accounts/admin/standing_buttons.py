"""Buttons that move an account between groups and modes, and that close and reopen it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import PositionMode, TradingAccount, TradingGroup
from accounts.services import standing
from audit.admin.acting import actor_of
from tradeplatform.common.admin.buttons import Button, Done, Effect
from tradeplatform.common.admin.editing import Edit, EditForm
from tradeplatform.common.admin.fields import choice_field
from tradeplatform.common.changes import Seen

_NONE = ("", "none: no markup, no commission, each instrument's own leverage")


class GroupForm(EditForm):
    """One of the groups, or none."""

    group = choice_field("Group", (), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["group"]
        if isinstance(chosen, forms.ChoiceField):
            groups = TradingGroup.objects.order_by("name").values_list("id", "name")
            chosen.choices = [_NONE, *((str(number), name) for number, name in groups)]


class ChangeGroup(Edit):
    """Other terms."""

    name, label, icon = "group", "Change group", "workspaces"
    permission = "accounts.change_tradingaccount"
    form_class = GroupForm
    fields = ("group",)

    def shown_values(self, obj: TradingAccount) -> dict[str, Any]:
        """Where it is now."""
        return {"group": str(obj.group_id or "")}

    def typed_values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Where it shall be."""
        return {"group": _group(data)}

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The terms of the two groups, where they differ. Raises Refusal: no_change, row_changed."""
        if not super().effects(obj, data):
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

    def save(self, obj: TradingAccount, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Move it."""
        group: TradingGroup | None = changes["group"]
        account = standing.change_group(
            account_id=obj.pk,
            group_id=group.pk if group else None,
            seen=seen,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{account} is in {account.group or 'no group'} now.")


class ModeForm(EditForm):
    """Netting or hedging."""

    position_mode = choice_field("Position mode", PositionMode.choices)


class ChangeMode(Edit):
    """What a second deal in an instrument does."""

    name, label, icon = "mode", "Position mode", "layers"
    permission = "accounts.change_tradingaccount"
    form_class = ModeForm
    fields = ("position_mode",)

    def save(self, obj: TradingAccount, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Change it."""
        account = standing.change_mode(
            account_id=obj.pk,
            mode=PositionMode(changes["position_mode"]),
            seen=seen,
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
