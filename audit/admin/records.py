"""Audit records: who did what to which thing, when, from where and why. Read only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch
from django.utils.safestring import SafeString

from audit.actor import ActorKind
from audit.models import AuditRecord
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, DaysFilter, TextFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Custom, Fact, Facts, Panel


class ActorFilter(TextFilter):
    """The person's name, or the part of the platform that acted."""

    title, parameters, placeholder = "actor", ("actor",), "username"

    def narrow(self, queryset: QuerySet[AuditRecord], typed: str) -> QuerySet[AuditRecord]:
        """A person is found by id, which is indexed; a part of the platform by its name."""
        people = apps.get_model("accounts", "User").objects
        user_id = as_id(typed) or people.filter(username=typed).values_list("id", flat=True).first()
        return queryset.filter(actor_id=user_id) if user_id else queryset.filter(actor_label=typed)


class KindFilter(ChoiceFilter):
    """People, or the platform itself."""

    indexed = False
    title, parameters, lookup = "by", ("by",), "actor_kind"
    options = ((ActorKind.USER, "People"), (ActorKind.SYSTEM, "The platform"))


class ActionFilter(TextFilter):
    """An action or the beginning of one: accounts.money finds deposits, withdrawals and adjustments."""

    indexed = False
    title, parameters, placeholder = "action", ("action",), "accounts.money"

    def narrow(self, queryset: QuerySet[AuditRecord], typed: str) -> QuerySet[AuditRecord]:
        """By its beginning."""
        return queryset.filter(action__startswith=typed)


class TargetFilter(TextFilter):
    """The thing acted on, as recorded: accounts.tradingaccount:12 or its name."""

    title, parameters, placeholder = "target", ("target",), "BTCUSDT or orders.order:12"

    def narrow(self, queryset: QuerySet[AuditRecord], typed: str) -> QuerySet[AuditRecord]:
        """By type and id, which is indexed, or by label."""
        kind, colon, number = typed.partition(":")
        if colon:
            return queryset.filter(target_type=kind, target_id=number)
        return queryset.filter(target_label=typed)

    def walks(self) -> bool:
        """A label has no index."""
        return ":" not in self.value


class CorrelationFilter(TextFilter):
    """All that one request did."""

    indexed = False
    title, parameters, placeholder = "correlation id", ("correlation",), ""

    def narrow(self, queryset: QuerySet[AuditRecord], typed: str) -> QuerySet[AuditRecord]:
        """Exactly this id."""
        return queryset.filter(correlation_id=typed)


class RecordDays(DaysFilter):
    """When it happened."""

    field = "at"


@admin.register(AuditRecord)
class AuditRecordAdmin(DetailMixin, KeysetList):
    """The trail, newest first."""

    question = "Who did what by hand, when, from where and why?"
    when_empty = "Nobody has done anything by hand yet. Every button leaves a record here."
    list_display = ("moment", "who", "act", "what", "why", "where")
    list_display_links = ("moment",)
    list_filter = (KindFilter, ActorFilter, ActionFilter, TargetFilter, CorrelationFilter, RecordDays)

    @admin.display(description="When (UTC)")
    def moment(self, record: AuditRecord) -> SafeString | str:
        """When."""
        return show.when(record.at)

    @admin.display(description="Who")
    def who(self, record: AuditRecord) -> SafeString | str:
        """The actor."""
        return actor(record)

    @admin.display(description="Action")
    def act(self, record: AuditRecord) -> SafeString:
        """What was done."""
        return show.dotted(record.action)

    @admin.display(description="On what")
    def what(self, record: AuditRecord) -> SafeString | str:
        """The target."""
        return target(record)

    @admin.display(description="Reason")
    def why(self, record: AuditRecord) -> SafeString:
        """The reason, cut where it is long."""
        return show.lines(record.reason[:120] or show.NOTHING)

    @admin.display(description="From")
    def where(self, record: AuditRecord) -> SafeString | str:
        """The address."""
        return show.mono(record.ip)

    def heading(self, record: AuditRecord) -> str:
        """What was done."""
        return record.action

    def panels(self, request: HttpRequest, record: AuditRecord) -> Iterable[Panel]:
        """Everything that is recorded."""
        yield Facts(
            "The act",
            [
                Fact("When (UTC)", show.when(record.at)),
                Fact("Who", actor(record)),
                Fact("On what", target(record)),
                Fact("Kind of thing", record.target_type),
                Fact("From address", show.mono(record.ip)),
                Fact("Reason", record.reason or show.NOTHING),
                Fact("Correlation id", _together(record)),
            ],
            wide=True,
        )
        yield Custom("Before and after", "backoffice/panels/changes.html", {"changes": changes(record)})


def _together(record: AuditRecord) -> SafeString | str:
    """The id, linked to all that the same request did."""
    if not record.correlation_id:
        return show.NOTHING
    url = show.list_of(AuditRecord, correlation=record.correlation_id)
    return show.link(url, show.mono(record.correlation_id))


def actor(record: AuditRecord) -> SafeString | str:
    """The actor, linked to the person where it is one."""
    if record.actor_id is None:
        return show.badge(record.actor_label)
    return person(record.actor_id, record.actor_label)


def person(user_id: int, label: str) -> SafeString | str:
    """Somebody known by value, linked to their page."""
    return show.ref_to(apps.get_model("accounts", "User"), user_id, label)


def target(record: AuditRecord) -> SafeString | str:
    """The thing acted on, linked where it has a page."""
    return thing(record.target_type, record.target_id, record.target_label)


def thing(model: str, key: str, label: str = "") -> SafeString | str:
    """A row by its model's label and its key, linked where it has a page; what is to be added has no key."""
    if not key:
        return label
    try:
        return show.ref_to(apps.get_model(model), key, label or key)
    except (LookupError, ValueError, NoReverseMatch):
        return label or key


def changes(record: AuditRecord) -> list[tuple[str, str, str, bool]]:
    """(name, before, after, differs) of every value that was recorded."""
    names = [*record.before, *(name for name in record.after if name not in record.before)]
    return [
        (name, _plain(record.before.get(name)), _plain(record.after.get(name)), _differs(record, name))
        for name in names
    ]


def _differs(record: AuditRecord, name: str) -> bool:
    return bool(record.before.get(name) != record.after.get(name))


def _plain(value: Any) -> str:
    if value is None:
        return show.NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
