"""Form fields of buttons, in the theme's dress; numbers without trailing zeros."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from unfold.overrides import FORMFIELD_OVERRIDES
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from tradeplatform.common.decimals import SENTENCE, read_decimal
from tradeplatform.common.wording import in_words


class PlainDecimalInput(UnfoldAdminDecimalFieldWidget):
    """Shows 0.001 and not 0.001000000000000000; takes text, so that no browser rounds it."""

    input_type = "text"

    def format_value(self, value: Any) -> str | None:
        """Fixed point without trailing zeros."""
        if isinstance(value, Decimal):
            text = f"{value:f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
        return None if value is None else str(value)


class PlainDecimalField(forms.DecimalField):
    """A number as the API takes it; blanks around it are forgiven, for it may be pasted."""

    def to_python(self, value: Any) -> Any:
        """The number that was typed, if any."""
        typed = "" if value is None else str(value).strip()
        if not typed:
            return None
        number = read_decimal(typed)
        if number is None:
            raise ValidationError(SENTENCE, code="invalid")
        return number


def amount_field(
    label: str, *, help_text: str = "", signed: bool = False, required: bool = True
) -> forms.DecimalField:
    """A decimal that must be finite; more than zero unless `signed`."""
    return PlainDecimalField(
        label=label,
        help_text=help_text,
        required=required,
        max_digits=38,
        decimal_places=18,
        min_value=None if signed else Decimal(0),
        widget=PlainDecimalInput(attrs={"inputmode": "decimal"}),
    )


def text_field(label: str, **options: Any) -> forms.CharField:
    """One line of text."""
    return forms.CharField(label=label, widget=UnfoldAdminTextInputWidget(), **options)


def whole_field(label: str, *, least: int, most: int, **options: Any) -> forms.IntegerField:
    """A whole number between two others."""
    return forms.IntegerField(
        label=label, min_value=least, max_value=most, widget=UnfoldAdminIntegerFieldWidget(), **options
    )


def choice_field(label: str, choices: Sequence[tuple[str, str]], **options: Any) -> forms.ChoiceField:
    """One of a few."""
    return forms.ChoiceField(label=label, choices=choices, widget=UnfoldAdminSelectWidget(), **options)


def file_field(label: str, **options: Any) -> forms.FileField:
    """A file from the operator's own machine."""
    return forms.FileField(label=label, widget=UnfoldAdminFileFieldWidget(), **options)


def day_field(label: str, **options: Any) -> forms.DateField:
    """A day of the calendar, picked by the browser's own means."""
    return forms.DateField(label=label, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}), **options)


def model_fields(model: type[models.Model], names: Sequence[str]) -> dict[str, forms.Field]:
    """The form fields of a model's columns, for a form that hands its values to a service."""
    found = forms.fields_for_model(model, fields=list(names), formfield_callback=_dressed)
    return {name: field for name, field in found.items() if field is not None}


def _dressed(field: models.Field[Any, Any], **options: Any) -> forms.Field | None:
    options.setdefault("label", in_words(str(field.verbose_name)))
    if isinstance(field, models.DecimalField):
        widget = PlainDecimalInput(attrs={"inputmode": "decimal"})
        return field.formfield(form_class=PlainDecimalField, widget=widget, **options)
    if isinstance(field, models.TimeField):
        # The theme's own widget is a script that expects a catalogue of translations on the page.
        return field.formfield(widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "17:30"}), **options)
    if field.choices or isinstance(field, models.ForeignKey):
        return field.formfield(widget=UnfoldAdminSelectWidget(), **options)
    for kind in type(field).__mro__:
        if kind in FORMFIELD_OVERRIDES:
            overrides: Any = FORMFIELD_OVERRIDES[kind]
            return field.formfield(widget=overrides["widget"], **options)
    return field.formfield(**options)
