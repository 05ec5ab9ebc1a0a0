"""Statements as they were imported, and their lines."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.reconciliation.admin import show as words
from accounts.reconciliation.models import (
    Break,
    ImportedStatement,
    Match,
    MatchLeg,
    StatementLine,
    StatementSource,
)
from accounts.reconciliation.selectors import unexplained
from instruments.admin.show import amount
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, DaysFilter, IdFilter
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone

_SHOWN = 50


class SourceFilter(ChoiceFilter):
    """Whose."""

    indexed = False
    title, parameters, lookup = "source", ("source",), "source__name"

    def lookups(self) -> list[tuple[str, str]]:
        """All sources."""
        return [
            (name, name) for name in StatementSource.objects.order_by("name").values_list("name", flat=True)
        ]


class StatementFilter(IdFilter):
    """Lines of one statement."""

    title, parameters, lookup, placeholder = "statement", ("statement",), "statement_id", "statement number"


class BookedDays(DaysFilter):
    """When it was booked."""

    field = "booked_at"


@admin.register(ImportedStatement)
class ImportedStatementAdmin(DetailMixin, KeysetList):
    """All statements, the newest first."""

    question = "What was imported, of which days, and does its closing balance agree with ours?"
    when_empty = "Nothing was imported yet. A statement is uploaded on its source's page."
    list_display = ("number", "source", "file_name", "start", "end", "new", "known", "by", "moment")
    list_display_links = ("number",)
    list_filter = (SourceFilter,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportedStatement]:
        """With the source."""
        return ImportedStatement.objects.select_related("source")

    @admin.display(description="Statement")
    def number(self, row: ImportedStatement) -> SafeString | str:
        """Its number."""
        return show.mono(row.pk)

    @admin.display(description="From (UTC)")
    def start(self, row: ImportedStatement) -> SafeString | str:
        """Its first moment."""
        return show.when(row.since)

    @admin.display(description="Up to (UTC)")
    def end(self, row: ImportedStatement) -> SafeString | str:
        """The moment after its last."""
        return show.when(row.until)

    @admin.display(description="By")
    def by(self, row: ImportedStatement) -> str:
        """Who imported it."""
        return row.actor_label

    @admin.display(description="Imported (UTC)")
    def moment(self, row: ImportedStatement) -> SafeString | str:
        """When."""
        return show.when(row.at)

    def heading(self, row: ImportedStatement) -> str:
        """Its number and source."""
        return f"Statement {row.pk} of {row.source}"

    def panels(self, request: HttpRequest, row: ImportedStatement) -> Iterable[Panel]:
        """The file, its closing balances, its lines."""
        yield Facts(
            "The file",
            [
                Fact("Source", show.ref(row.source)),
                Fact("Name", row.file_name),
                Fact("SHA-256", show.mono(row.sha256)),
                Fact("From (UTC)", show.when(row.since)),
                Fact("Up to (UTC)", show.when(row.until), "Exclusive"),
                Fact("New lines", show.whole(row.new)),
                Fact("Lines known before", show.whole(row.known)),
                Fact("Imported (UTC)", show.when(row.at)),
                Fact("By", row.actor_label),
                Fact("Reason", row.reason),
            ],
            wide=True,
        )
        yield _balances(row)
        lines = row.lines.select_related("ledger__asset").order_by("number")[:_SHOWN]
        yield Table(
            "Its new lines",
            columns("Reference", "Booked (UTC)", "#Amount", "Our reference", "Text"),
            [
                [
                    show.ref(line, line.reference),
                    show.when(line.booked_at),
                    amount(line.amount, line.ledger.asset),
                    line.our_reference or show.NOTHING,
                    line.text,
                ]
                for line in lines
            ],
            empty="All its lines had been told before.",
            more=(show.list_of(StatementLine, statement=row.pk), "All its lines"),
        )


def _balances(row: ImportedStatement) -> Table:
    rows = []
    for balance in row.balances.select_related("ledger__asset").order_by("pk"):
        asset, difference = balance.ledger.asset, balance.theirs - balance.ours
        rest = unexplained(row.source_id, balance.ledger_id, row.until, difference)
        word = show.badge("Explained", Tone.GOOD) if not rest else amount(rest, asset)
        rows.append(
            [
                words.ledger(balance.ledger),
                amount(balance.theirs, asset),
                amount(balance.ours, asset),
                amount(difference, asset),
                word,
            ]
        )
    return Table(
        "Closing balances",
        columns("Ledger account", "#Theirs", "#Ours", "#Difference", "#Not in an open break"),
        rows,
        empty="None was told with it.",
        note="Ours is what the ledger held at the end of the statement, without demo money.",
    )


@admin.register(StatementLine)
class StatementLineAdmin(DetailMixin, KeysetList):
    """All lines, the newest first."""

    question = "What did banks and custodians tell us, and which transfer of ours is it?"
    when_empty = "Nothing was imported yet. A statement is uploaded on its source's page."
    search_hint = "Their reference"
    list_display = ("label", "source", "moment", "size", "ours", "text", "standing")
    list_display_links = ("label",)
    list_filter = (SourceFilter, StatementFilter, BookedDays)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StatementLine]:
        """With what it is matched by and the break it is in."""
        return StatementLine.objects.select_related("source", "ledger__asset").prefetch_related(
            Prefetch("legs", MatchLeg.objects.filter(undone=False), to_attr="live_legs"),
            Prefetch("breaks", Break.objects.filter(state="open"), to_attr="open_breaks"),
        )

    def search_rows(self, queryset: QuerySet[StatementLine], term: str) -> QuerySet[StatementLine]:
        """By their reference, of any source."""
        return queryset.filter(source__in=StatementSource.objects.values("pk"), reference=term)

    @admin.display(description="Reference")
    def label(self, row: StatementLine) -> SafeString | str:
        """Theirs."""
        return show.mono(row.reference)

    @admin.display(description="Booked (UTC)")
    def moment(self, row: StatementLine) -> SafeString | str:
        """When."""
        return show.when(row.booked_at)

    @admin.display(description="Amount")
    def size(self, row: StatementLine) -> SafeString | str:
        """Above zero: money came to us."""
        return amount(row.amount, row.ledger.asset)

    @admin.display(description="Our reference")
    def ours(self, row: StatementLine) -> str:
        """What it names."""
        return row.our_reference or show.NOTHING

    @admin.display(description="Standing")
    def standing(self, row: StatementLine) -> SafeString | str:
        """Its match or break."""
        return standing(row)

    def heading(self, row: StatementLine) -> str:
        """Their reference."""
        return f"Line {row.reference}"

    def subheading(self, row: StatementLine) -> SafeString:
        """Whose."""
        return show.together(["Told by", show.ref(row.source)])

    def panels(self, request: HttpRequest, row: StatementLine) -> Iterable[Panel]:
        """What was told, and what became of it."""
        yield Facts(
            "What was told",
            [
                Fact("Booked (UTC)", show.when(row.booked_at)),
                Fact("Amount", self.size(row), "Above zero: money came to us."),
                Fact("Ledger account", words.ledger(row.ledger)),
                Fact("Our reference", self.ours(row)),
                Fact("Text", row.text or show.NOTHING),
                Fact("Statement", show.ref_to(ImportedStatement, row.statement_id)),
                Fact("Line of the file", row.number),
            ],
            wide=True,
        )
        legs = row.legs.select_related("match").order_by("-pk")
        yield Table(
            "Matches",
            columns("Match", "How", "When (UTC)", "By", "State"),
            [
                [
                    show.ref(leg.match, leg.match_id),
                    leg.match.get_rule_display(),
                    show.when(leg.match.at),
                    leg.match.actor_label,
                    show.badge("Undone") if leg.undone else show.badge("Stands", Tone.GOOD),
                ]
                for leg in legs
            ],
            empty="Nothing of ours matches it.",
        )
        yield Table(
            "Breaks",
            columns("Break", "Kind", "#Theirs less ours", "State"),
            [
                [show.ref(found, found.pk), words.kind(found), words.size(found), words.state(found)]
                for found in row.breaks.select_related("ledger__asset").order_by("-pk")
            ],
            empty="It never was in a break.",
        )


def standing(row: StatementLine) -> SafeString | str:
    """A link to its match or its open break."""
    for leg in getattr(row, "live_legs", ()):
        return show.ref_to(Match, leg.match_id, "matched")
    for found in getattr(row, "open_breaks", ()):
        return show.ref(found, f"break {found.pk}")
    return show.NOTHING
