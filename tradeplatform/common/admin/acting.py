"""The page behind a button: ask, show the effect, act once, say what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.forms import BoundField, ChoiceField, PasswordInput
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from tradeplatform.common.admin.buttons import Button, Effect, ReasonForm
from tradeplatform.common.db import rehearsal
from tradeplatform.common.errors import Refusal

TEMPLATE = "backoffice/button.html"


def act_on_row(model_admin: Any, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
    """A button of a detail page."""
    button = _find(model_admin.get_buttons(request), name)
    obj = model_admin.get_object(request, unquote(object_id))
    if obj is None:
        raise Http404
    if not (model_admin.has_view_permission(request, obj) and button.allowed()):
        raise PermissionDenied
    return ButtonPage(model_admin, button, obj, model_admin.url_of(obj)).answer(request)


def act_on_list(model_admin: Any, request: HttpRequest, name: str) -> HttpResponse:
    """A button above a list."""
    button = _find(model_admin.get_list_buttons(request), name)
    if not (model_admin.has_view_permission(request) and button.allowed()):
        raise PermissionDenied
    return ButtonPage(model_admin, button, None, model_admin.url_of_list()).answer(request)


def _find(buttons: list[Button], name: str) -> Button:
    found = next((button for button in buttons if button.name == name), None)
    if found is None:
        raise Http404
    return found


@dataclass(frozen=True, slots=True)
class ButtonPage:
    """A button that this person may press, on a row or on none, and where to go back to."""

    model_admin: Any
    button: Button
    obj: Any
    back: str

    def answer(self, request: HttpRequest) -> HttpResponse:
        """GET asks; POST shows the effect of the answers, or acts."""
        button, obj = self.button, self.obj
        why_not = button.why_not(obj)
        if why_not:
            messages.warning(request, why_not)
            return HttpResponseRedirect(self.back)
        if request.method != "POST":
            return self._page(request, button.form_class(obj=obj, initial=dict(button.initial(obj))))
        form = button.form_class(request.POST, request.FILES, obj=obj)
        if not form.is_valid():
            return self._page(request, form)
        try:
            if button.previews and "confirm" not in request.POST:
                effects = button.effects(obj, form.cleaned_data)
                if button.rehearsed:
                    with rehearsal():
                        button.act(obj, form.cleaned_data)
                return self._page(request, form, confirming=effects)
            done = button.act(obj, form.cleaned_data)
        except Refusal as refusal:
            field = str(refusal.context.get("field", ""))
            form.add_error(field if field in form.fields else None, refusal.message)
            return self._page(request, form, status=refusal.status)
        messages.success(request, done.message)
        return HttpResponseRedirect(done.url or self.back)

    def _page(
        self,
        request: HttpRequest,
        form: ReasonForm,
        *,
        confirming: Sequence[Effect] | None = None,
        status: int = 200,
    ) -> HttpResponse:
        button, obj = self.button, self.obj
        effects = confirming
        if effects is None:
            effects = () if button.previews else button.effects(obj, {})
        answers = [(field.label, _answer(form, field)) for field in form.visible_fields()]
        context = self.model_admin.admin_site.each_context(request) | {
            "title": button.title(obj),
            "button": button,
            "intro": button.intro(obj),
            "form": form,
            "media": form.media,
            "effects": effects,
            "confirming": confirming is not None,
            "answers": answers if confirming is not None else (),
            "back": self.back,
        }
        return TemplateResponse(request, TEMPLATE, context, status=status)


def _answer(form: ReasonForm, bound: BoundField) -> Any:
    """What was typed, as a person reads it: a choice by its label, no exponents, no secrets."""
    value = form.cleaned_data.get(bound.name) if form.is_bound else None
    if isinstance(bound.field.widget, PasswordInput):
        return "(not shown)"
    if isinstance(bound.field, ChoiceField) and not isinstance(value, Model):
        labels: Any = bound.field.choices
        return dict(labels).get(value, value)
    if (value is None or value == "") and bound.name in form.when_empty:
        return form.when_empty[bound.name]
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return f"{value:f}" if isinstance(value, Decimal) else value
