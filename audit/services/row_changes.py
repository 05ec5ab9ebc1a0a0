"""Changes of a row that always need a second person: what is asked for, and what it would do now.

The request keeps the whole row as its maker saw it. A change that another one has overtaken is refused with
row_changed, whichever fields the two are about: the approver agreed to what was shown, and not to a mixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from django.db.models import Model

from audit.approvable import EffectRow
from tradeplatform.common.changes import Seen, apply_changes, from_plain, plain
from tradeplatform.common.wording import in_words


def change_payload(
    row: Model, changes: Mapping[str, Any], fields: Sequence[str], *, seen: Seen | None = None
) -> dict[str, Any]:
    """The payload of an approval request for these changes of a row, which is left as it is.

    Raises Refusal: field_is_fixed, row_changed, no_change, invalid_field.
    """
    _before, after = apply_changes(copy(row), changes, fields, seen=seen)
    return {"row": row.pk, "seen": plain(row, fields), "changes": after}


def changes_of(row_type: type[Model], payload: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of such a payload, as the row's values."""
    return from_plain(row_type, payload["changes"])


def change_effects(row: Model, payload: Mapping[str, Any]) -> list[EffectRow]:
    """What such a payload would change now. Raises Refusal: no_change, row_changed, invalid_field."""
    seen: Seen = payload["seen"]
    before, after = apply_changes(copy(row), changes_of(type(row), payload), list(seen), seen=seen)
    return [(_words(row, name), _text(row, name, before), _text(row, name, after)) for name in after]


def _words(row: Model, name: str) -> str:
    return in_words(str(row._meta.get_field(name).verbose_name))  # type: ignore[union-attr]


def _text(row: Model, name: str, values: Mapping[str, Any]) -> str:
    value = values[name]
    if isinstance(value, bool):
        return "yes" if value else "no"
    labels = dict(getattr(row._meta.get_field(name), "flatchoices", ()))
    return str(labels.get(value, "none" if value in (None, "") else value))
