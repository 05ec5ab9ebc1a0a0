"""Edit a row by a form: only what this person changed on it, and only if nobody changed the row meanwhile.

A form posts all its fields, those too that were only looked at. So it carries what the row was when it was
opened (`seen`): what is posted as it was seen is no change, and the service that saves looks, with the row
locked, whether it is still so, and refuses with row_changed when it is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.db.models import Model

from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import model_fields
from tradeplatform.common.changes import Seen, plain, require_unmoved, unlike
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.wording import in_words


class EditForm(ReasonForm):
    """A form that knows what the row was when it was opened."""

    seen = forms.CharField(widget=forms.HiddenInput())

    def clean_seen(self) -> dict[Any, Any]:
        """What `noted` has written."""
        try:
            seen = json.loads(self.cleaned_data["seen"])
        except ValueError:
            seen = None
        if not isinstance(seen, dict):
            raise forms.ValidationError("Open the form again.")
        return seen


def edit_form(model: type[Model], names: Sequence[str]) -> type[EditForm]:
    """The form of these columns of a model."""
    return type("EditForm", (EditForm,), model_fields(model, names))


def noted(seen: Seen) -> str:
    """What was seen, as the form's hidden field carries it."""
    return json.dumps(seen)


class Edit(Button):
    """Change `fields` of a row. Subclasses give the form, of EditForm's kind, and the service that saves."""

    name, label, icon = "edit", "Edit", "edit"
    previews = rehearsed = True
    fields: ClassVar[Sequence[str]]

    def shown_values(self, obj: Any) -> dict[str, Any]:
        """The row as the form shows it."""
        return {name: getattr(obj, name) for name in self.fields}

    def typed_values(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The answers as the row's fields."""
        return {name: data[name] for name in self.fields}

    def initial(self, obj: Any) -> Mapping[str, Any]:
        """What it is now."""
        return self.shown_values(obj) | {"seen": noted(plain(obj, self.fields))}

    def effects(self, obj: Any, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What this person changed. Raises Refusal: no_change, row_changed."""
        if not data:
            return ()
        seen = self._seen(data)
        changes = self._changes(data, seen)
        found = differences(obj, changes, list(changes))
        require_unmoved(obj, seen)
        return found

    def act(self, obj: Any, data: Mapping[str, Any]) -> Done:
        """Save what this person changed."""
        seen = self._seen(data)
        return self.save(obj, self._changes(data, seen), seen, data)

    def save(self, obj: Any, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """One call of the service, which looks at `seen` again with the row locked."""
        raise NotImplementedError

    def _seen(self, data: Mapping[str, Any]) -> Seen:
        """A form of an older release, or one that somebody wrote: it has seen nothing that counts."""
        seen: Seen = data["seen"]
        if set(seen) != set(self.fields):
            raise Refusal(Code.ROW_CHANGED, "The form is not the one of today: open it again.", fields={})
        return seen

    def _changes(self, data: Mapping[str, Any], seen: Seen) -> dict[str, Any]:
        changes = unlike(self.typed_values(data), seen)
        if not changes:
            raise Refusal(Code.NO_CHANGE, "Nothing is different: there is nothing to save.")
        return changes


def differences(row: Model, data: Mapping[str, Any], names: Sequence[str]) -> list[Effect]:
    """The fields of `data` that differ from the row; raises no_change when none does."""
    found = [
        Effect(
            in_words(str(row._meta.get_field(name).verbose_name)),  # type: ignore[union-attr]
            _plain(row, name, getattr(row, name)),
            _plain(row, name, data[name]),
        )
        for name in names
        if data and getattr(row, name) != data[name]
    ]
    if data and not found:
        raise Refusal(Code.NO_CHANGE, "Nothing is different: there is nothing to save.")
    return found


def _plain(row: Model, name: str, value: Any) -> object:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return show.number(text.rstrip("0").rstrip(".") if "." in text else text)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    choices = dict(getattr(row._meta.get_field(name), "flatchoices", ()))
    return choices.get(value, value) if value not in {"", None} else show.NOTHING
