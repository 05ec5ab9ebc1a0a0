"""How much people may withdraw, by the level of their identity check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import KycLimit
from accounts.services import limits
from audit.admin.acting import actor_of
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.editing import differences
from tradeplatform.common.admin.fields import model_fields
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel

LimitForm = type("LimitForm", (ReasonForm,), model_fields(KycLimit, limits.LIMIT_FIELDS))


class EditLimit(Button):
    """Other limits, for what is asked for or approved from now on."""

    name, label, icon = "edit", "Edit", "edit"
    permission = "accounts.change_kyclimit"
    form_class = LimitForm
    previews = True

    def initial(self, obj: KycLimit) -> Mapping[str, Any]:
        """What they are now."""
        return {name: getattr(obj, name) for name in limits.LIMIT_FIELDS}

    def effects(self, obj: KycLimit, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What differs."""
        return differences(obj, data, limits.LIMIT_FIELDS)

    def act(self, obj: KycLimit, data: Mapping[str, Any]) -> Done:
        """Change them."""
        limits.change_limit(
            level=obj.pk,
            changes={name: data[name] for name in limits.LIMIT_FIELDS},
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"The limits of {obj} were changed.")


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
