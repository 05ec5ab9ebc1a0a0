"""How much people may withdraw, by the level of their identity check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import KycLimit
from accounts.services import limit_requests, limits
from audit.admin.acting import actor_of
from audit.admin.asking import sent, waits_for
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.editing import Edit, edit_form
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.changes import Seen


class EditLimit(Edit):
    """Other limits, for what is asked for or approved once another person has agreed."""

    permission = limit_requests.RIGHT
    fields = limits.LIMIT_FIELDS
    form_class = edit_form(KycLimit, fields)

    def effects(self, obj: KycLimit, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What differs, and whom it waits for."""
        return [*super().effects(obj, data), *waits_for(limit_requests.ACTION, now=timezone.now())]

    def save(self, obj: KycLimit, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Ask for it."""
        approval = limit_requests.ask_limit_change(
            level=obj.pk,
            changes=changes,
            seen=seen,
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return sent(approval, f"The change of {obj}")


@admin.register(KycLimit)
class KycLimitAdmin(DetailMixin, BackOfficeList):
    """One row a level."""

    question = "How much may people of each KYC level withdraw?"
    when_empty = "No level has limits, so nobody may withdraw. Run `manage.py seed`."
    ordering = ("level",)
    list_display = ("named", "in_a_day", "in_a_month")
    list_display_links = ("named",)
    buttons: ClassVar[list[type[Button]]] = [EditLimit]

    @admin.display(description="Level")
    def named(self, limit: KycLimit) -> str:
        """Its number."""
        return f"Level {limit.level}"

    @admin.display(description="In 24 hours")
    def in_a_day(self, limit: KycLimit) -> SafeString:
        """At most."""
        return show.decimal(limit.daily, limits.CURRENCY)

    @admin.display(description="In 30 days")
    def in_a_month(self, limit: KycLimit) -> SafeString:
        """At most."""
        return show.decimal(limit.monthly, limits.CURRENCY)

    def heading(self, limit: KycLimit) -> str:
        """Which level."""
        return f"Level {limit.level}"

    def panels(self, request: HttpRequest, limit: KycLimit) -> Iterable[Panel]:
        """The two limits and how they count."""
        hint = "Withdrawals done or waiting, of all accounts of a person, valued at our own rate when asked."
        yield Facts(
            "Limits",
            [
                Fact("In 24 hours", self.in_a_day(limit), hint),
                Fact("In 30 days", self.in_a_month(limit), hint),
                Fact("Counts", "only when the identity check is approved; else level 0"),
            ],
            wide=True,
        )
