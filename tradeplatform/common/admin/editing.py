"""What an edit would change: the fields that differ, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Model

from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Effect
from tradeplatform.common.errors import Code, Refusal


def differences(row: Model, data: Mapping[str, Any], names: Sequence[str]) -> list[Effect]:
    """The fields of `data` that differ from the row; raises no_change when none does."""
    found = [
        Effect(
            str(row._meta.get_field(name).verbose_name).capitalize(),  # type: ignore[union-attr]
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
