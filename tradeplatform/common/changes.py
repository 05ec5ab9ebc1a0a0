"""Named changes to one row: only allowed fields, validated, with what was and what is for the record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model

from tradeplatform.common.errors import Code, Refusal


def only(names: Collection[str], allowed: Collection[str]) -> None:
    """Refuse with field_is_fixed when a name is not among the allowed ones."""
    if fixed := sorted(set(names) - set(allowed)):
        raise Refusal(Code.FIELD_IS_FIXED, f"{', '.join(fixed)} cannot be changed.", fields=fixed)


def apply_changes(
    row: Model, changes: Mapping[str, Any], allowed: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Set the values that differ and validate the row; the caller saves it.

    Returns what the differing fields were and what they are. Raises Refusal: field_is_fixed, no_change,
    invalid_field.
    """
    only(changes, allowed)
    differing = [name for name, value in changes.items() if getattr(row, name) != value]
    if not differing:
        raise Refusal(Code.NO_CHANGE, "Nothing is different: there is nothing to save.")
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
        fields = error.message_dict
        name, messages = next(iter(fields.items()))
        prefix = "" if name == "__all__" else f"{name}: "
        raise Refusal(Code.INVALID_FIELD, f"{prefix}{messages[0]}", fields=fields) from error


def plain(row: Model, names: Collection[str]) -> dict[str, Any]:
    """The fields' values as JSON can hold them; decimals in fixed point, without trailing zeros."""
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value if isinstance(value, bool | int) or value is None else str(value)
