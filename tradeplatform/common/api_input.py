"""Reading what a client sent: strict fields, no unknown names, and one refusal that names every fault."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from functools import cached_property
from itertools import islice
from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from tradeplatform.common.decimals import PATTERN, SENTENCE, read_decimal
from tradeplatform.common.errors import Code, Refusal

_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
_BIGINT = 2**63 - 1
_ECHO = 64
_MAX_NAMED = 10
# So many faults are told at once: more than a form with every field wrong has.
_MAX_FAULTS = 50


class StrictSerializer(serializers.Serializer[Any]):
    """Input in which a name we do not know is a fault, not something to pass over in silence.

    Only what is there is looked at: an order has two dozen fields and comes with seven. Fields are named as
    they are meant, and what belongs together is judged by services; no subclass has a `validate_...`.
    """

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """As without validators and read-only fields, for which a serializer looks each time: it has none."""
        if type(self).validate is not serializers.Serializer.validate:
            return super().run_validation(data)
        is_final, value = self.validate_empty_values(data)
        return value if is_final else self.to_internal_value(data)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown names, then validate field by field; faults come in the order of the fields."""
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        fields = self._by_name
        unknown = [str(name)[:_ECHO] for name in data if name not in fields]
        if unknown:
            raise ValidationError({name: ["There is no such field."] for name in unknown[:_MAX_NAMED]})
        values = self._where_absent.copy()
        faults: dict[str, Any] = {}
        for name in self._required.difference(data):
            faults[name] = [ErrorDetail(str(fields[name].error_messages["required"]), code="required")]
        for name, given in data.items():
            try:
                values[name] = fields[name].run_validation(given)
            except ValidationError as fault:
                faults[name] = fault.detail
        if faults:
            raise ValidationError({name: faults[name] for name in fields if name in faults})
        return values

    @cached_property
    def _by_name(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return dict(self.fields)

    @cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(name for name, field in self._by_name.items() if field.required)

    @cached_property
    def _where_absent(self) -> dict[str, Any]:
        """What fields that are left out mean, where they mean something."""
        defaults = {name: field.default for name, field in self._by_name.items()}
        return {name: value for name, value in defaults.items() if value is not serializers.empty}


class TextField(serializers.CharField):
    """A JSON string as it is: nothing is trimmed, and a number is not a text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


@extend_schema_field(
    {
        "type": ["string", "number"],
        "pattern": PATTERN,
        "description": "A decimal in fixed-point notation, best sent as a string; exponents are refused.",
        "examples": ["0.5"],
    }
)
class DecimalField(serializers.Field):  # type: ignore[type-arg]
    """An exact number from a string or a JSON number: at most 18 digits before the point and 18 after it."""

    default_error_messages = {"invalid_number": SENTENCE}

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the number; it was never a float on its way here."""
        if isinstance(data, Decimal) and data.is_finite():
            data = f"{data:f}"
        elif isinstance(data, int) and not isinstance(data, bool) and abs(data) < 10**18:
            data = str(data)
        number = read_decimal(data) if isinstance(data, str) else None
        if number is None:
            self.fail("invalid_number")
        return number


class WholeNumberField(serializers.IntegerField):
    """A whole number from a JSON number or from the digits of a query parameter."""

    def __init__(self, *, min_value: int = 0, max_value: int = _BIGINT, **kwargs: Any) -> None:
        span = f"from {min_value:,} to {max_value:,}" if max_value < _BIGINT else f"of at least {min_value:,}"
        sentence = f"Must be a whole number {span}."
        words: dict[str, Any] = dict.fromkeys(("invalid", "min_value", "max_value"), sentence)
        super().__init__(min_value=min_value, max_value=max_value, error_messages=words, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        if isinstance(data, str) and _DIGITS.fullmatch(data):
            return int(data)
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class FlagField(serializers.BooleanField):
    """A JSON boolean, of a body or a message: a word is not a flag."""

    default_error_messages = {"invalid": "Must be true or false, not text or a number."}

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class QueryFlagField(serializers.BooleanField):
    """The word true or false, of a query, which has nothing but text."""

    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean."""
        if data not in ("true", "false"):
            self.fail("invalid")
        return bool(data == "true")


class WordField(serializers.ChoiceField):
    """One of the words of an enum; gives the enum's member."""

    def __init__(self, enum: type[Enum], **kwargs: Any) -> None:
        self._enum = enum
        choices = getattr(enum, "choices", [(member.value, member.value) for member in enum])
        super().__init__(choices=choices, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Return the member named by the word."""
        if not isinstance(data, str) or data not in self.choices:
            allowed = ", ".join(str(word) for word in self.choices)
            raise ValidationError(f"Must be one of: {allowed}.", code="invalid_choice")
        return self._enum(data)


class PageQuery(StrictSerializer):
    """The query parameters of every list that grows."""

    cursor = WholeNumberField(
        min_value=1,
        required=False,
        help_text="`next_cursor` of the page before; leave it out for the first page.",
    )
    limit = WholeNumberField(min_value=1, max_value=1_000, default=100, help_text="Rows on a page.")


def parse(serializer: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """Validated input as a dict. Raises Refusal invalid_field, or the more precise code of a fault.

    `context["fields"]` holds a sentence for every field at fault.
    """
    return read(serializer(), _single_values(data) if isinstance(data, QueryDict) else data)


def read(reader: serializers.Serializer[Any], data: Any) -> dict[str, Any]:
    """As `parse`, with a serializer made before: in a list, making one for each item would cost most."""
    try:
        return dict(reader.run_validation(data))
    except ValidationError as invalid:
        faults = list(islice(_faults(invalid.detail), _MAX_FAULTS))
    precise = (Code(detail.code) for _name, detail in faults if detail.code in set(Code))
    name, sentence = faults[0]
    raise Refusal(
        next(precise, Code.INVALID_FIELD),
        f"{name}: {sentence}" if name else str(sentence),
        fields={name or "body": str(detail) for name, detail in reversed(faults)},
    )


def _single_values(query: QueryDict) -> dict[str, str]:
    repeated = [name[:_ECHO] for name, values in query.lists() if len(values) > 1]
    if repeated:
        sentence = "Give it once."
        fields = dict.fromkeys(repeated[:_MAX_NAMED], sentence)
        raise Refusal(Code.INVALID_FIELD, f"{repeated[0]}: {sentence}", fields=fields)
    return {name: str(value) for name, value in query.items()}


def _faults(errors: Any, path: str = "") -> Iterator[tuple[str, ErrorDetail]]:
    """Every fault with the path of its field ('' for the body as a whole)."""
    if isinstance(errors, Mapping):
        for name, inner in errors.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from _faults(inner, f"{path}.{step}" if path and step else path or step)
    elif isinstance(errors, list):
        for inner in errors:
            yield from _faults(inner, path)
    else:
        yield path, errors
