"""Buttons that change an account itself: open, edit, lock, unlock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from accounts.models import TradingAccount, User
from accounts.services import locking, people
from audit.admin.acting import actor_of
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.editing import Edit, edit_form
from tradeplatform.common.admin.fields import model_fields, text_field
from tradeplatform.common.changes import Seen
from tradeplatform.common.errors import Code, Refusal

_OPENED = ("account_number", "currency", "type", "group", "leverage", "max_leverage", "trade_group")
_OpenFields = type("_OpenFields", (ReasonForm,), model_fields(TradingAccount, _OPENED))


class OpenForm(_OpenFields):  # type: ignore[misc, valid-type]  # a form made from the model's columns
    """A new account of a person who is named by login."""

    username = text_field("Username of the owner", max_length=150)


class OpenAccount(Button):
    """An account without money."""

    name, label, icon = "open", "Open account", "add"
    permission = "accounts.add_tradingaccount"
    form_class = OpenForm
    previews = True

    def initial(self, obj: None) -> Mapping[str, Any]:
        """The owner, when the button was pressed on a person's page."""
        return {"username": self.request.GET.get("username", "")}

    def effects(self, obj: None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The new row."""
        owner = _owner(data["username"])
        return [
            Effect(f"Accounts of {owner}", owner.accounts.count(), owner.accounts.count() + 1),
            Effect("Money on it", "", "none: deposit next"),
        ]

    def act(self, obj: None, data: Mapping[str, Any]) -> Done:
        """Open it."""
        account = people.open_account(
            values={name: data[name] for name in _OPENED} | {"user": _owner(data["username"])},
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{account} is open. Deposit money next.", show.page_of(account, account.pk))


class EditAccount(Edit):
    """Type, leverage and trade group."""

    permission = "accounts.change_tradingaccount"
    fields = people.ACCOUNT_FIELDS
    form_class = edit_form(TradingAccount, fields)

    def save(self, obj: TradingAccount, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Change it."""
        people.change_account(
            account_id=obj.pk,
            changes=changes,
            seen=seen,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj} was changed.")


class LockAccount(Button):
    """Deny its new orders."""

    name, label, icon = "lock", "Lock", "lock"
    permission = "accounts.lock_tradingaccount"
    danger = True

    def shown(self, obj: TradingAccount) -> bool:
        """While it is not locked."""
        return not obj.is_locked

    def why_not(self, obj: TradingAccount) -> str:
        """It is locked."""
        return f"{obj} is locked already." if obj.is_locked else ""

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What a lock does and does not."""
        return [
            Effect("New orders and amends", "taken", "denied with your reason in the back office"),
            Effect("Cancels", "taken", "taken"),
            Effect("Resting orders", "in the book", "stay in the book: cancel them by their own button"),
        ]

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Lock it."""
        locking.lock_account(
            account_id=obj.pk, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done(f"{obj} is locked: its new orders are denied from now on.")


class UnlockAccount(Button):
    """Take its orders again."""

    name, label, icon = "unlock", "Unlock", "lock_open"
    permission = "accounts.lock_tradingaccount"

    def shown(self, obj: TradingAccount) -> bool:
        """While it is locked."""
        return obj.is_locked

    def why_not(self, obj: TradingAccount) -> str:
        """It is not locked."""
        return "" if obj.is_locked else f"{obj} is not locked."

    def intro(self, obj: TradingAccount) -> str:
        """Why it was locked."""
        return f"It was locked because: {obj.locked_reason}"

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What an unlock does."""
        return [Effect("New orders and amends", "denied", "taken")]

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """Unlock it."""
        locking.unlock_account(
            account_id=obj.pk, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done(f"{obj} is unlocked: its orders are taken again.")


def _owner(username: str) -> User:
    owner = User.objects.filter(username=username).first() if "\0" not in username else None
    if owner is None:
        raise Refusal(Code.NOT_FOUND, "No such user: give the login name.", field="username")
    return owner
