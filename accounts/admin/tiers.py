"""How much of the platform people may use in a time, by their tier; and which tier somebody is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import RateTier, User
from accounts.services import rates
from audit.admin.acting import actor_of
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.editing import Edit, edit_form
from tradeplatform.common.admin.fields import choice_field
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.changes import Seen

_LABELS = {
    "calls_1m": "Calls a minute",
    "orders_10s": "Orders in 10 seconds",
    "orders_1d": "Orders a day",
}


class EditTier(Edit):
    """Other limits, for everybody in the tier, within seconds."""

    permission = "accounts.change_ratetier"
    fields = rates.TIER_FIELDS
    form_class = edit_form(RateTier, fields)

    def save(self, obj: RateTier, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]) -> Done:
        """Change them."""
        rates.change_tier(
            tier_id=obj.pk,
            changes=changes,
            seen=seen,
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"The limits of the tier {obj} were changed.")


class TierChoice(ReasonForm):
    """One of the tiers."""

    tier = choice_field("Tier", ())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["tier"]
        if isinstance(chosen, forms.ChoiceField):
            tiers = RateTier.objects.order_by("calls_1m").values_list("id", "name")
            chosen.choices = [(str(number), name) for number, name in tiers]


class ChangeTier(Button):
    """Put a person into a tier."""

    name, label, icon = "tier", "Rate tier", "speed"
    permission = "accounts.change_user"
    form_class = TierChoice
    previews = True

    def why_not(self, obj: User) -> str:
        """There is nothing to choose from."""
        return "" if RateTier.objects.exists() else "There are no tiers: run `manage.py seed`."

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """The limits of the two tiers, where they differ."""
        if not data:
            return ()
        now = rates.allowance(obj.rate_tier_id)
        then = RateTier.objects.get(id=int(data["tier"]))
        return [Effect("Tier", obj.rate_tier or rates.STANDARD, then)] + [
            Effect(label, getattr(now, name), getattr(then, name))
            for name, label in _LABELS.items()
            if getattr(now, name) != getattr(then, name)
        ]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """Change it."""
        rates.put_in_tier(
            user_id=obj.pk,
            tier_id=int(data["tier"]),
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{obj} has other limits from the next calls on.")


@admin.register(RateTier)
class RateTierAdmin(DetailMixin, BackOfficeList):
    """A few rows."""

    question = "How many calls and orders may people send, by their tier?"
    when_empty = "No tier is here, so the built-in limits hold for all. Run `manage.py seed`."
    ordering = ("calls_1m",)
    list_display = ("named", "calls", "orders_in_10s", "orders_in_a_day", "people")
    list_display_links = ("named",)
    buttons: ClassVar[list[type[Button]]] = [EditTier]

    @admin.display(description="Tier")
    def named(self, tier: RateTier) -> str:
        """Its name."""
        return tier.name

    @admin.display(description="Calls a minute")
    def calls(self, tier: RateTier) -> SafeString:
        """Of each person and each key."""
        return show.number(show.whole(tier.calls_1m))

    @admin.display(description="Orders in 10 seconds")
    def orders_in_10s(self, tier: RateTier) -> SafeString:
        """Of each account."""
        return show.number(show.whole(tier.orders_10s))

    @admin.display(description="Orders a day")
    def orders_in_a_day(self, tier: RateTier) -> SafeString:
        """Of each account."""
        return show.number(show.whole(tier.orders_1d))

    @admin.display(description="For")
    def people(self, tier: RateTier) -> str:
        """Whom it is for."""
        return "everybody in no other tier" if tier.name == rates.STANDARD else "people put into it"

    def panels(self, request: HttpRequest, tier: RateTier) -> Iterable[Panel]:
        """The limits and what they count."""
        yield Facts(
            "Limits",
            [
                Fact("Calls a minute", self.calls(tier), "Counted for each person and for each API key."),
                Fact("Orders in 10 seconds", self.orders_in_10s(tier), "New orders of each account."),
                Fact("Orders a day", self.orders_in_a_day(tier), "From midnight UTC."),
                Fact("For", self.people(tier)),
                Fact("Cancels", "counted apart, at the same rate, and never by the orders' limits"),
            ],
            wide=True,
        )
