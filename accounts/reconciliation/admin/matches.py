"""Matches: which lines are which transfers, by which rule or person, and the button that takes one apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import Transfer
from accounts.reconciliation.admin import show as words
from accounts.reconciliation.admin.statements import SourceFilter
from accounts.reconciliation.models import Match, MatchLeg, ReconciliationRun, Rule
from accounts.reconciliation.services.matching import undo
from audit.admin.acting import actor_of
from audit.admin.records import person
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone


class RuleFilter(ChoiceFilter):
    """How it was found."""

    indexed = False
    title, parameters, options = "rule", ("rule",), Rule.choices


class Undo(Button):
    """The two sides are not the same after all."""

    name, label, icon = "undo", "Take apart", "link_off"
    permission = "reconciliation.match_break"
    danger = True

    def why_not(self, obj: Match) -> str:
        """It was done already."""
        return "It was taken apart already." if hasattr(obj, "undoing") else ""

    def effects(self, obj: Match, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What is open again."""
        return [
            Effect("Its lines and transfers", "matched", "open, and breaks where a statement speaks of them"),
            Effect("The rules", "", "never bring these sides together again; a person can"),
        ]

    def act(self, obj: Match, data: Mapping[str, Any]) -> Done:
        """Take it apart."""
        undo(match_id=obj.pk, reason=data["reason"], actor=actor_of(self.request), now=timezone.now())
        return Done("It was taken apart: both sides are open again.")


@admin.register(Match)
class MatchAdmin(DetailMixin, KeysetList):
    """All matches, the newest first."""

    question = "Which lines of theirs are which transfers of ours, and who says so?"
    when_empty = "Nothing is matched yet: import a statement on its source's page."
    search_hint = "Match number"
    list_display = ("number", "source", "how", "theirs", "ours", "by", "moment", "standing")
    list_display_links = ("number",)
    list_filter = (SourceFilter, RuleFilter)
    buttons: ClassVar[list[type[Button]]] = [Undo]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Match]:
        """With both sides."""
        return Match.objects.select_related("source", "undoing").prefetch_related("legs__line__ledger__asset")

    def search_rows(self, queryset: QuerySet[Match], term: str) -> QuerySet[Match]:
        """By number."""
        number = as_id(term)
        return queryset.none() if number is None else queryset.filter(pk=number)

    @admin.display(description="Match")
    def number(self, row: Match) -> SafeString | str:
        """Its number."""
        return show.mono(row.pk)

    @admin.display(description="How")
    def how(self, row: Match) -> str:
        """By which rule."""
        return row.get_rule_display()

    @admin.display(description="Theirs")
    def theirs(self, row: Match) -> SafeString | str:
        """The lines."""
        return show.together([words.line(leg.line) for leg in row.legs.all() if leg.line]) or show.NOTHING

    @admin.display(description="Ours")
    def ours(self, row: Match) -> SafeString | str:
        """The transfers."""
        return words.transfers(leg.transfer_id for leg in row.legs.all() if leg.transfer_id)

    @admin.display(description="By")
    def by(self, row: Match) -> SafeString | str:
        """Who, or what."""
        return person(row.actor_id, row.actor_label) if row.actor_id else row.actor_label

    @admin.display(description="When (UTC)")
    def moment(self, row: Match) -> SafeString | str:
        """When."""
        return show.when(row.at)

    @admin.display(description="State")
    def standing(self, row: Match) -> SafeString:
        """Whether it stands."""
        return _standing(row)

    def heading(self, row: Match) -> str:
        """Its number."""
        return f"Match {row.pk}"

    def badges(self, row: Match) -> Iterable[SafeString]:
        """Whether it stands."""
        return [_standing(row)]

    def panels(self, request: HttpRequest, row: Match) -> Iterable[Panel]:
        """Both sides, and who says so."""
        yield Facts("", list(self._facts(row)), wide=True)
        yield Table(
            "Both sides come to the same",
            columns("Side", "What", "#Theirs less ours"),
            [_leg(leg) for leg in row.legs.all()],
            empty="",
        )

    def _facts(self, row: Match) -> Iterable[Fact]:
        yield Fact("Source", show.ref(row.source))
        yield Fact("How", row.get_rule_display())
        yield Fact("By", self.by(row))
        yield Fact("When (UTC)", show.when(row.at))
        yield Fact("Reason", row.reason or show.NOTHING)
        if hasattr(row, "undoing"):
            undone = row.undoing
            who = person(undone.actor_id, undone.actor_label) if undone.actor_id else undone.actor_label
            yield Fact("Taken apart by", who)
            yield Fact("Taken apart (UTC)", show.when(undone.at))
            yield Fact("Because", undone.reason)


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(DetailMixin, KeysetList):
    """Every run of the rules, the newest first."""

    question = "How many breaks were left each night?"
    when_empty = (
        "The rules have not run by themselves yet: they do each night, and by Match again on a source."
    )
    list_display = ("number", "source", "moment", "by", "matched", "opened", "closed", "breaks")
    list_display_links = ("number",)
    list_filter = (SourceFilter,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReconciliationRun]:
        """With the source."""
        return ReconciliationRun.objects.select_related("source")

    @admin.display(description="Run")
    def number(self, row: ReconciliationRun) -> SafeString | str:
        """Its number."""
        return show.mono(row.pk)

    @admin.display(description="When (UTC)")
    def moment(self, row: ReconciliationRun) -> SafeString | str:
        """When."""
        return show.when(row.at)

    @admin.display(description="By")
    def by(self, row: ReconciliationRun) -> str:
        """Beat, a command, or a person."""
        return row.actor_label

    def panels(self, request: HttpRequest, row: ReconciliationRun) -> Iterable[Panel]:
        """All of it."""
        yield Facts(
            "",
            [
                Fact("Source", show.ref(row.source)),
                Fact("When (UTC)", show.when(row.at)),
                Fact("By", row.actor_label),
                Fact("Matches made", row.matched),
                Fact("Breaks opened", row.opened),
                Fact("Breaks closed", row.closed),
                Fact("Breaks open after it", row.breaks),
                Fact("The oldest happened (UTC)", show.when(row.oldest)),
            ],
            wide=True,
        )


def _leg(leg: MatchLeg) -> list[object]:
    if leg.line:
        return ["Theirs", words.line(leg.line), show.decimal(leg.amount)]
    return [
        "Ours",
        show.ref_to(Transfer, leg.transfer_id, f"transfer {leg.transfer_id}"),
        show.decimal(leg.amount),
    ]


def _standing(row: Match) -> SafeString:
    return show.badge("Undone") if hasattr(row, "undoing") else show.badge("Stands", Tone.GOOD)
