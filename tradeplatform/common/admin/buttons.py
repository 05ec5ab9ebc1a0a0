"""Buttons: a permission, a form with a reason, the effect shown first, one service call, a message.

A button that is pressed twice has one effect: its service refuses what has been done already, or knows the
hidden request id of the form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import uuid_utils
from django import forms
from django.db.models import Model
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that will be different; without `before` it is simply something that happens."""

    label: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Done:
    """What happened, in the operator's words, and where to look next."""

    message: SafeString | str
    url: str | None = None


class ReasonForm(forms.Form):
    """Every act asks for a reason; fields of its own stand before it."""

    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "placeholder": "Recorded with your name"}),
    )
    request_id = forms.CharField(max_length=64, widget=forms.HiddenInput())
    #: What an empty answer means, by the name of its field.
    when_empty: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *args: Any, obj: Model | None = None, **kwargs: Any) -> None:
        kwargs["initial"] = {"request_id": uuid_utils.uuid7().hex} | (kwargs.get("initial") or {})
        super().__init__(*args, **kwargs)
        self.obj = obj
        self.order_fields([*(name for name in self.fields if name not in _LAST), *_LAST])


_LAST = ("reason", "request_id")


class Button:
    """An act on a row (or on none, for buttons above a list). Subclasses say what and how."""

    name: ClassVar[str]
    label: ClassVar[str]
    icon: ClassVar[str]
    permission: ClassVar[str]
    danger: ClassVar[bool] = False
    form_class: ClassVar[type[ReasonForm]] = ReasonForm
    #: The form is answered by a page that shows the effect of what was typed, and asks again.
    previews: ClassVar[bool] = False
    #: Before that page the act is done and taken back, so that what would be refused is refused there. For
    #: acts that are one transaction, and quick.
    rehearsed: ClassVar[bool] = False

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    def allowed(self) -> bool:
        """Whether this person may press it at all."""
        return self.request.user.has_perm(self.permission)

    def shown(self, obj: Any) -> bool:
        """Whether it has a place on this row's page."""
        return True

    def title(self, obj: Any) -> str:
        """The heading of its page."""
        return self.label if obj is None else f"{self.label}: {obj}"

    def why_not(self, obj: Any) -> str:
        """Why it cannot be pressed now; empty when it can."""
        return ""

    def initial(self, obj: Any) -> Mapping[str, Any]:
        """What the form starts with."""
        return {}

    def intro(self, obj: Any) -> SafeString | str:
        """One sentence above the form."""
        return ""

    def effects(self, obj: Any, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What will be different; `data` is empty until the form was answered. May raise Refusal."""
        return ()

    def act(self, obj: Any, data: Mapping[str, Any]) -> Done:
        """Do it: one service call. Raises Refusal, then nothing has changed."""
        raise NotImplementedError
