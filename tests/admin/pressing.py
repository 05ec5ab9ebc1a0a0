"""Pressing buttons as a browser does: get the form, fill it, send it, confirm it."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import get_messages
from django.forms import BoundField
from django.test import Client

from audit.models import AuditRecord
from tradeplatform.common.admin.fields import PlainDecimalInput


def filled(client: Client, address: str, **answers: object) -> dict[str, Any]:
    """The fields of the form at an address with their values, and these answers in place of some."""
    page = client.get(address)
    assert page.status_code == 200, page.status_code
    form = page.context["form"]
    return {bound.name: _shown(bound) for bound in form} | answers


def _shown(bound: BoundField) -> Any:
    """What stands in the field when the page opens; numbers as their widget writes them."""
    value = bound.value()
    if isinstance(bound.field.widget, PlainDecimalInput):
        value = bound.field.widget.format_value(value)
    return "" if value is None else value


def press(client: Client, address: str, *, confirm: bool = False, **answers: Any) -> Any:
    """Fill the form and send it; with `confirm`, also say yes to the effect that is shown."""
    data = filled(client, address, **answers)
    answer = client.post(address, data)
    if not confirm or answer.status_code != 200 or not answer.context["confirming"]:
        return answer
    return client.post(address, data | {"confirm": "1"})


def said(answer: Any) -> str:
    """The messages that the next page will show."""
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def errors(answer: Any) -> dict[str, list[str]]:
    """What the form that came back complains of."""
    return {name: list(found) for name, found in answer.context["form"].errors.items()}


def recorded(action: str) -> list[AuditRecord]:
    """The audit records of an action, oldest first."""
    return list(AuditRecord.objects.filter(action=action).order_by("id"))
