"""The queue of breaks: what one side has and the other has not, how old it is, and who looks at it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import TransferKind
from accounts.reconciliation.admin import show as words
from accounts.reconciliation.admin.break_buttons import Assign, MatchByHand, Note, WriteOff
from accounts.reconciliation.admin.statements import SourceFilter
from accounts.reconciliation.models import Break, BreakKind, BreakState
from accounts.reconciliation.selectors import AGES, age_of, open_by_age, transfers_of
from accounts.reconciliation.services.breaks import LABEL
from audit.admin.records import actor
from audit.models import AuditRecord
from instruments.admin.show import amount
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, TextFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone

_NOTES, _LIKELY = 20, 10
_AGE_TONES = (Tone.GOOD, Tone.INFO, Tone.WARN, Tone.BAD)


class StateFilter(ChoiceFilter):
    """Where it stands: what is open, unless something else is chosen."""

    title, parameters, unchosen = "state", ("state",), "Open"
    options = (
        *((value, label) for value, label in BreakState.choices if value != BreakState.OPEN),
        ("all", "All"),
    )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow by the state."""
        chosen = self.value if self.value in dict(self.offered) else BreakState.OPEN
        return queryset if chosen == "all" else queryset.filter(state=chosen)


class KindFilter(ChoiceFilter):
    """Who lacks what."""

    indexed = False
    title, parameters, options = "kind", ("kind",), BreakKind.choices


class AgeFilter(ChoiceFilter):
    """How long ago it happened, in days of UTC."""

    indexed = False
    title, parameters = "age", ("age",)
    options = tuple((place, name) for place, (name, _end) in enumerate(AGES))

    def narrow(self, queryset: QuerySet[Break], chosen: str) -> QuerySet[Break]:
        """By the days between which it happened."""
        today = datetime.combine(timezone.now().astimezone(UTC).date(), time(), UTC)
        place = int(chosen)
        end = AGES[place][1]
        if end is not None:
            queryset = queryset.filter(happened_at__gte=today - timedelta(days=end - 1))
        if place:
            young = AGES[place - 1][1] or 0
            queryset = queryset.filter(happened_at__lt=today - timedelta(days=young - 1))
        return queryset


class AssigneeFilter(TextFilter):
    """Who looks at it, by login name."""

    indexed = False
    title, parameters, placeholder = "who", ("assignee",), "username"

    def narrow(self, queryset: QuerySet[Break], typed: str) -> QuerySet[Break]:
        """By login name."""
        return queryset.filter(assignee__username=typed)


@admin.register(Break)
class BreakAdmin(DetailMixin, KeysetList):
    """What is open, the newest first; others by the filter."""

    question = "Where do banks and we disagree, since when, and who is looking?"
    when_empty = "Both sides agree: no break is open."
    search_hint = "Break number"
    list_display = ("number", "source", "what", "size", "about", "age", "who", "standing")
    list_display_links = ("number",)
    list_filter = (StateFilter, SourceFilter, KindFilter, AgeFilter, AssigneeFilter)
    list_before_template = "reconciliation/ages.html"
    buttons: ClassVar[list[type[Button]]] = [MatchByHand, WriteOff, Assign, Note]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Break]:
        """With all that the list names."""
        return Break.objects.select_related("source", "ledger__asset", "line", "assignee", "approval")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """With the chart of ages above it."""
        return super().changelist_view(request, (extra_context or {}) | {"ages": ages()})

    def search_rows(self, queryset: QuerySet[Break], term: str) -> QuerySet[Break]:
        """By number."""
        number = as_id(term)
        return queryset.none() if number is None else queryset.filter(pk=number)

    @admin.display(description="Break")
    def number(self, row: Break) -> SafeString | str:
        """Its number."""
        return show.mono(row.pk)

    @admin.display(description="Kind")
    def what(self, row: Break) -> SafeString:
        """Who lacks what."""
        return words.kind(row)

    @admin.display(description="Theirs less ours")
    def size(self, row: Break) -> SafeString | str:
        """How much."""
        return words.size(row)

    @admin.display(description="About")
    def about(self, row: Break) -> SafeString:
        """The line and the transfers."""
        pieces: list[object] = [show.together(["line", words.line(row.line)])] if row.line else []
        if row.transfer_ids:
            pieces.append(show.together(["transfer", words.transfers(row.transfer_ids)]))
        return show.lines(*pieces)

    @admin.display(description="Age")
    def age(self, row: Break) -> SafeString:
        """How long ago it happened."""
        return show.lines(age_of(row, now=timezone.now()), f"{row.happened_at:%Y-%m-%d}")

    @admin.display(description="Who")
    def who(self, row: Break) -> str:
        """Who looks at it."""
        return row.assignee.username if row.assignee else show.NOTHING

    @admin.display(description="State")
    def standing(self, row: Break) -> SafeString:
        """Where it stands."""
        return _standing(row)

    def heading(self, row: Break) -> str:
        """Its number."""
        return f"Break {row.pk}"

    def subheading(self, row: Break) -> SafeString:
        """Whose."""
        return show.together(["With", show.ref(row.source)])

    def badges(self, row: Break) -> Iterable[SafeString]:
        """What it is, and where it stands."""
        return [words.kind(row), _standing(row)]

    def panels(self, request: HttpRequest, row: Break) -> Iterable[Panel]:
        """Both sides, what could be the other side, and what people did."""
        yield Facts("", list(self._facts(row)), wide=True)
        yield _sides(row)
        if row.state == BreakState.OPEN:
            yield _likely(row)
        yield _notes(row)

    def _facts(self, row: Break) -> Iterable[Fact]:
        yield Fact(
            "Theirs less ours", words.size(row), "As a line counts: above zero, they have more for us."
        )
        yield Fact("Ledger account", words.ledger(row.ledger))
        yield Fact(
            "Happened (UTC)", show.when(row.happened_at), "When the line was booked or the transfer made."
        )
        yield Fact("Age", age_of(row, now=timezone.now()))
        yield Fact("Found (UTC)", show.when(row.opened_at))
        yield Fact("Closed (UTC)", show.when(row.closed_at))
        yield Fact("Who looks at it", self.who(row))
        yield Fact("Write-off", show.ref(row.approval) if row.approval else show.NOTHING)
        yield Fact("Written off by transfer", words.transfers([row.write_off_id] if row.write_off_id else []))


def ages() -> Table | None:
    """A chart: for each source, how many breaks of each age, as a bar and as numbers that lead to them."""
    found = open_by_age(now=timezone.now())
    if not found:
        return None
    counts: dict[str, dict[str, int]] = {}
    for aged in found:
        counts.setdefault(aged.source, {})[aged.age] = aged.count
    most = max(sum(of_source.values()) for of_source in counts.values())
    return Table(
        "Open breaks by age",
        columns("Source", *(f"#{name}" for name, _end in AGES), "#Together", ""),
        [
            [
                show.link(show.list_of(Break, source=source), source),
                *(_cell(source, place, of_source.get(name, 0)) for place, (name, _end) in enumerate(AGES)),
                show.number(show.whole(sum(of_source.values()))),
                show.bar(
                    *(
                        (Decimal(of_source.get(name, 0)), tone)
                        for (name, _end), tone in zip(AGES, _AGE_TONES, strict=True)
                    ),
                    (Decimal(most - sum(of_source.values())), "open"),
                    title=", ".join(f"{name}: {count}" for name, count in of_source.items()),
                ),
            ]
            for source, of_source in counts.items()
        ],
        empty="",
    )


def _cell(source: str, place: int, count: int) -> SafeString:
    shown = show.number(show.whole(count), muted=not count)
    return show.link(show.list_of(Break, source=source, age=place), shown) if count else shown


def _standing(row: Break) -> SafeString:
    if row.state == BreakState.OPEN and row.approval_id:
        return show.badge("Write-off waits", Tone.INFO)
    return words.state(row)


def _sides(row: Break) -> Table:
    asset = row.ledger.asset
    told = row.line
    rows: list[list[object]] = []
    if told is not None:
        rows.append(
            ["Theirs", words.line(told), show.when(told.booked_at), amount(told.amount, asset),
             told.our_reference or show.NOTHING, told.text]
        )  # fmt: skip
    rows += [
        ["Ours", words.transfers([transfer.id]), show.when(transfer.at), amount(transfer.amount, asset),
         "", TransferKind(transfer.kind).label]
        for transfer in transfers_of(row.source_id, row.transfer_ids)
    ]  # fmt: skip
    return Table(
        "What it is about",
        columns("Side", "What", "When (UTC)", "#Amount", "Names", "Text"),
        rows,
        empty="",
        note="Amounts as a line counts: above zero, money came to us.",
    )


def _likely(row: Break) -> Table:
    """Open breaks of the same ledger account that this one could be the other side of, the nearest first."""
    others = Break.objects.filter(source=row.source_id, ledger=row.ledger_id, state=BreakState.OPEN)
    exact = others.filter(amount=-row.amount).exclude(pk=row.pk).select_related("ledger__asset", "line")
    return Table(
        "Could be the other side",
        columns("Break", "Kind", "#Theirs less ours", "Happened (UTC)", "Line", "Transfers"),
        [
            [
                show.ref(found, found.pk),
                words.kind(found),
                words.size(found),
                show.when(found.happened_at),
                words.line(found.line),
                words.transfers(found.transfer_ids),
            ]
            for found in exact.order_by("happened_at")[:_LIKELY]
        ],
        empty="No open break is of the same amount the other way round.",
    )


def _notes(row: Break) -> Table:
    records = AuditRecord.objects.filter(target_type=LABEL, target_id=str(row.pk)).order_by("-at", "-id")
    return Table(
        "Notes, and what was done",
        columns("When (UTC)", "Who", "What", "Note or reason"),
        [
            [
                show.when(record.at),
                actor(record),
                record.action.rpartition(".")[2].replace("_", " "),
                record.reason,
            ]
            for record in records[:_NOTES]
        ],
        empty="Nobody has written anything yet. Press Note.",
    )
