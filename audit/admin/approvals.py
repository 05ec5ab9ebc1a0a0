"""The approvals inbox: acts that wait for a second person, and what became of the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from audit.admin.approval_buttons import Approve, Reject, TakeBack, approvers, role_name
from audit.admin.records import person, thing
from audit.approvable import act_of, acts
from audit.models import ApprovalDecision, ApprovalRequest, ApprovalState
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button
from tradeplatform.common.admin.details import DetailMixin, PanelMaker
from tradeplatform.common.admin.filters import ChoiceFilter, TextFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone

TONE = {
    ApprovalState.PENDING: Tone.WARN,
    ApprovalState.DONE: Tone.GOOD,
    ApprovalState.REJECTED: Tone.BAD,
    ApprovalState.EXPIRED: Tone.QUIET,
    ApprovalState.CANCELLED: Tone.QUIET,
}


class StateFilter(ChoiceFilter):
    """Where it stands: what waits, unless something else is chosen."""

    title, parameters, unchosen = "state", ("state",), "Pending"
    options = (
        *((value, label) for value, label in ApprovalState.choices if value != ApprovalState.PENDING),
        ("all", "All"),
    )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow by the state."""
        chosen = self.value or ApprovalState.PENDING
        return queryset if chosen == "all" else queryset.filter(state=chosen)


class ActionFilter(ChoiceFilter):
    """Which act."""

    indexed = False
    title, parameters = "act", ("action",)

    def lookups(self) -> list[tuple[str, str]]:
        """All there are."""
        return [(act.name, act.title) for act in acts()]


class MakerFilter(TextFilter):
    """Who asked, by login name or id."""

    title, parameters, placeholder = "asked by", ("maker",), "username"

    def narrow(self, queryset: QuerySet[ApprovalRequest], typed: str) -> QuerySet[ApprovalRequest]:
        """By the maker as stored."""
        number = as_id(typed)
        return queryset.filter(maker_id=number) if number else queryset.filter(maker_label=typed)


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(DetailMixin, KeysetList):
    """What waits, the newest first; other states by the filter."""

    question = "Which acts wait for a second person, and what would they do?"
    when_empty = "Nothing waits for approval."
    search_hint = "Approval number"
    list_display = ("number", "act", "what", "size", "asked", "needs", "age", "state_shown")
    list_display_links = ("number",)
    list_filter = (StateFilter, ActionFilter, MakerFilter)
    buttons: ClassVar[list[type[Button]]] = [Approve, Reject, TakeBack]
    more_panels: ClassVar[list[PanelMaker]] = []

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """How many have agreed, for all rows at once."""
        given: dict[int, int] = {}
        decisions = ApprovalDecision.objects.filter(request__in=[row.pk for row in rows], approved=True)
        for request_id in decisions.values_list("request_id", flat=True):
            given[request_id] = given.get(request_id, 0) + 1
        for row in rows:
            row.given = given.get(row.pk, 0)

    def search_rows(self, queryset: QuerySet[ApprovalRequest], term: str) -> QuerySet[ApprovalRequest]:
        """By number."""
        number = as_id(term)
        return queryset.none() if number is None else queryset.filter(pk=number)

    @admin.display(description="Approval")
    def number(self, row: ApprovalRequest) -> SafeString | str:
        """Its number."""
        return show.mono(row.pk)

    @admin.display(description="Act")
    def act(self, row: ApprovalRequest) -> str:
        """In words."""
        return act_of(row.action).title

    @admin.display(description="On what")
    def what(self, row: ApprovalRequest) -> SafeString | str:
        """The target."""
        return thing(row.target_type, row.target_id, row.target_label)

    @admin.display(description="Amount")
    def size(self, row: ApprovalRequest) -> SafeString | str:
        """How much."""
        return amount(row)

    @admin.display(description="Asked by")
    def asked(self, row: ApprovalRequest) -> SafeString:
        """Who, and why."""
        return show.lines(person(row.maker_id, row.maker_label), row.reason[:80])

    @admin.display(description="Needs")
    def needs(self, row: Any) -> SafeString:
        """How many of whom have agreed."""
        return show.lines(f"{row.given} of {row.needed}", role_name(row.role, row.needed))

    @admin.display(description="Age")
    def age(self, row: ApprovalRequest) -> SafeString:
        """How long ago it was asked, and what is left of its time."""
        now = timezone.now()
        left = "" if row.closed_at else f"{show.age(now, row.expires_at)} left"
        return show.lines(show.age(row.created_at, now), left)

    @admin.display(description="State")
    def state_shown(self, row: ApprovalRequest) -> SafeString:
        """Where it stands."""
        return state(row)

    def heading(self, row: ApprovalRequest) -> str:
        """The act."""
        return f"{act_of(row.action).title}: {row.target_label}"

    def subheading(self, row: ApprovalRequest) -> SafeString:
        """Who asked, and whom it waits for."""
        asked = [f"Approval {row.pk}, asked by", person(row.maker_id, row.maker_label)]
        if row.state_at(timezone.now()) != ApprovalState.PENDING:
            return show.together(asked)
        who = approvers(row.needed, row.role)
        return show.together([*asked, f"and waits for {who} other than who asked"])

    def badges(self, row: ApprovalRequest) -> Iterable[SafeString]:
        """Where it stands."""
        return [state(row)]

    def panels(self, request: HttpRequest, row: ApprovalRequest) -> Iterable[Panel]:
        """What it does, its terms, and who said what."""
        decisions = list(row.decisions.order_by("id"))
        pending = row.state_at(timezone.now()) == ApprovalState.PENDING
        verb = (
            "changes" if pending else "changed" if row.state == ApprovalState.DONE else "would have changed"
        )
        yield Table(
            f"What it {verb}, as it was when it was asked for",
            columns("What", "Before", "After"),
            row.effects,
            empty="It changes nothing that can be shown.",
            note="The page of each button shows the effect as things stand at that moment."
            if pending
            else outcome(row, decisions),
        )
        yield Facts("The request", list(_facts(row)), wide=True)
        yield Table(
            "Decisions",
            columns("When (UTC)", "Who", "Decision", "Reason"),
            [
                [
                    show.when(decision.at),
                    person(decision.checker_id, decision.checker_label),
                    _said(decision),
                    decision.reason,
                ]
                for decision in decisions
            ],
            empty="Nobody has decided yet." if pending else "Nobody decided.",
        )


def _facts(row: ApprovalRequest) -> Iterable[Fact]:
    yield Fact("On what", thing(row.target_type, row.target_id, row.target_label))
    if row.origin_type:
        yield Fact("Waits for it", thing(row.origin_type, row.origin_id, f"request {row.origin_id}"))
    yield Fact("Amount", amount(row))
    yield Fact("Reason", row.reason)
    yield Fact("Asked by", person(row.maker_id, row.maker_label))
    yield Fact("Asked (UTC)", show.when(row.created_at))
    yield Fact("Expires (UTC)", show.when(row.expires_at))
    yield Fact("Closed (UTC)", show.when(row.closed_at))
    yield Fact("Approvers needed", f"{row.needed}, each a {role_name(row.role)}")
    yield Fact("Request id", show.mono(row.request_id))


def _said(decision: ApprovalDecision) -> SafeString:
    return show.badge("Approved", Tone.GOOD) if decision.approved else show.badge("Rejected", Tone.BAD)


def outcome(row: ApprovalRequest, decisions: Sequence[ApprovalDecision]) -> str:
    """How one that is closed ended, by whom and when."""
    at = f"{(row.closed_at or row.expires_at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    agreed = ", ".join(each.checker_label for each in decisions if each.approved)
    if row.state == ApprovalState.DONE:
        return f"Approved by {agreed} and done at {at}."
    if row.state == ApprovalState.REJECTED:
        return f"Rejected by {decisions[-1].checker_label} at {at}: nothing was done."
    if row.state == ApprovalState.CANCELLED:
        return f"Taken back by {row.maker_label} at {at}: nothing was done."
    return f"Expired at {at}, approved by {agreed or 'nobody'}: nothing was done."


def state(row: ApprovalRequest) -> SafeString:
    """Where it stands now, as a badge."""
    now = row.state_at(timezone.now())
    return show.badge(now.label, TONE[now])


def amount(row: ApprovalRequest) -> SafeString | str:
    """How much of what, without trailing zeros."""
    return show.NOTHING if row.amount is None else show.decimal(row.amount, row.asset)
