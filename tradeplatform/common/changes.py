"""Named changes to one row: only allowed fields, validated, with what was and what is for the record.

Who changes a row has seen it before. What was *seen* goes along with the change, which is refused when the
row is otherwise by then: nobody takes back what a colleague has done meanwhile without knowing of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model

from tradeplatform.common.errors import Code, Refusal

#: Some fields of a row at one moment, as JSON holds them: what `plain` gives.
Seen = Mapping[str, Any]


def only(names: Collection[str], allowed: Collection[str]) -> None:
    """Refuse with field_is_fixed when a name is not among the allowed ones."""
    if fixed := sorted(set(names) - set(allowed)):
        raise Refusal(Code.FIELD_IS_FIXED, f"{', '.join(fixed)} cannot be changed.", fields=fixed)


def require_unmoved(row: Model, seen: Seen) -> None:
    """Refuse with row_changed when a field is no longer what was seen of it. Ask with the row locked."""
    now = plain(row, seen)
    moved = {name: {"seen": was, "now": now[name]} for name, was in seen.items() if now[name] != was}
    if moved:
        words = "; ".join(
            f"{name.replace('_', ' ')} was {_named(move['seen'])} and is {_named(move['now'])} now"
            for name, move in moved.items()
        )
        raise Refusal(
            Code.ROW_CHANGED,
            f"Somebody else has changed it meanwhile: {words}. Nothing was saved: look at it as it is now.",
            fields=moved,
        )


def apply_changes(
    row: Model, changes: Mapping[str, Any], allowed: Collection[str], *, seen: Seen | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Set the values that differ and validate the row; the caller has locked it, and saves it.

    Returns what the differing fields were and what they are. Raises Refusal: field_is_fixed, row_changed (it
    is not as it was `seen`), no_change, invalid_field.
    """
    only(changes, allowed)
    differing = [name for name, value in changes.items() if getattr(row, name) != value]
    if not differing:
        raise Refusal(Code.NO_CHANGE, "Nothing is different: there is nothing to save.")
    if seen is not None:
        require_unmoved(row, seen)
    before = plain(row, differing)
    for name in differing:
        setattr(row, name, changes[name])
    validate(row)
    return before, plain(row, differing)


def validate(row: Model) -> None:
    """The model's own checks and constraints, as a refusal that names the field."""
    try:
        row.full_clean()
    except ValidationError as error:
        fields = {name: " ".join(messages) for name, messages in error.message_dict.items()}
        name, sentence = next(iter(fields.items()))
        prefix = "" if name == "__all__" else f"{name}: "
        raise Refusal(Code.INVALID_FIELD, f"{prefix}{sentence}", fields=fields) from error


def unlike(values: Mapping[str, Any], seen: Seen) -> dict[str, Any]:
    """Those of the values that are not what was seen."""
    return {name: value for name, value in values.items() if _plain(value) != seen[name]}


def from_plain(model: type[Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that `plain` has written, for fields that are no references."""
    return {name: model._meta.get_field(name).to_python(value) for name, value in values.items()}  # type: ignore[union-attr]


def plain(row: Model, names: Collection[str]) -> dict[str, Any]:
    """The fields' values as JSON can hold them; decimals in fixed point, without trailing zeros."""
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value if isinstance(value, bool | int) or value is None else str(value)


def _named(value: Any) -> str:
    return "empty" if value is None or value == "" else str(value)
