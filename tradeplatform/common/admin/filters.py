"""Filters of lists, drawn as one bar above the list. Each narrows by an exact value or by a range of days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from tradeplatform.common.ids import ID_MAX, is_id


class BarFilter(admin.ListFilter):
    """A filter with one or more parameters of the address; the bar shows `inputs`."""

    template = "backoffice/filters/select.html"
    parameters: ClassVar[tuple[str, ...]] = ()
    #: Whether an index, or the pruning of partitions, finds what is asked for.
    indexed: ClassVar[bool] = True

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.request = request
        for name in self.parameters:
            value = str(params.pop(name, [""])[-1]).strip()
            if value and "\0" not in value:
                self.used_parameters[name] = value

    def has_output(self) -> bool:
        """Always shown."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """The names this filter takes from the address."""
        return list(self.parameters)

    def choices(self, changelist: Any) -> Any:
        """Unused: the bar draws `inputs`."""
        return []

    def walks(self) -> bool:
        """Whether rows are found only by walking through the table."""
        return not self.indexed

    @cached_property
    def value(self) -> str:
        """What was asked for by the first parameter, or nothing."""
        return str(self.used_parameters.get(self.parameters[0], ""))


class ChoiceFilter(BarFilter):
    """One of a few values of a column."""

    lookup: ClassVar[str] = ""
    options: ClassVar[Iterable[tuple[Any, Any]]] = ()
    #: What is shown when nothing is chosen.
    unchosen: ClassVar[str] = "All"

    def lookups(self) -> list[tuple[str, str]]:
        """(value, label) of what can be chosen."""
        return [(str(value), str(label)) for value, label in self.options]

    @cached_property
    def offered(self) -> list[tuple[str, str]]:
        """What can be chosen, read once."""
        return self.lookups()

    def choices_shown(self) -> list[tuple[str, str, bool]]:
        """The choices, each with whether it is chosen."""
        return [(value, label, value == self.value) for value, label in self.offered]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow by the chosen value; a value that is not offered changes nothing."""
        chosen = next((value for value, _label in self.offered if value == self.value), None)
        return queryset if chosen is None else self.narrow(queryset, chosen)

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        """Rows with the chosen value."""
        return queryset.filter(**{self.lookup or self.parameters[0]: chosen})


class TextFilter(BarFilter):
    """An exact value that is typed: an account number, an id, a name."""

    template = "backoffice/filters/text.html"
    placeholder: ClassVar[str] = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow by what was typed, where something was."""
        return self.narrow(queryset, self.value) if self.value else queryset

    def narrow(self, queryset: QuerySet[Any], typed: str) -> QuerySet[Any]:
        """Rows with exactly this value."""
        raise NotImplementedError


class IdFilter(TextFilter):
    """A whole number: anything else, or one that cannot be an id, finds nothing."""

    lookup: ClassVar[str] = ""

    def narrow(self, queryset: QuerySet[Any], typed: str) -> QuerySet[Any]:
        """Rows with exactly this number."""
        found = as_id(typed)
        return queryset.none() if found is None else queryset.filter(**{self.lookup: found})


class SourceFilter(TextFilter):
    """A typed value that the list itself turns into the indexes it reads; see paging.page_of_sources."""

    def narrow(self, queryset: QuerySet[Any], typed: str) -> QuerySet[Any]:
        """Nothing here."""
        return queryset


class DaysFilter(BarFilter):
    """From a day to a day, both included, in UTC. On the partition key it also prunes partitions."""

    template = "backoffice/filters/days.html"
    field: ClassVar[str] = "at"
    title = "days (UTC)"
    parameters = ("from", "to")

    @property
    def first(self) -> date | None:
        """The first day."""
        return as_day(self.used_parameters.get("from", ""))

    @property
    def last(self) -> date | None:
        """The last day."""
        return as_day(self.used_parameters.get("to", ""))

    @property
    def end(self) -> datetime | None:
        """The first moment after the last day."""
        return midnight(self.last) + timedelta(days=1) if self.last else None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows of these days."""
        if self.first:
            queryset = queryset.filter(**{f"{self.field}__gte": midnight(self.first)})
        if self.end:
            queryset = queryset.filter(**{f"{self.field}__lt": self.end})
        return queryset


def as_id(typed: object) -> int | None:
    """A positive whole number that fits the column, or None."""
    word = str(typed).strip()
    if not (word.isascii() and word.isdigit()) or len(word) > len(str(ID_MAX)):
        return None
    return int(word) if is_id(int(word)) else None


def as_day(typed: object) -> date | None:
    """A day written 2026-11-20, or None; the last day of the calendar has no day after it and is refused."""
    try:
        day = date.fromisoformat(str(typed))
    except ValueError:
        return None
    return day if day < date.max else None


def midnight(day: date) -> datetime:
    """The moment the day begins, in UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)
