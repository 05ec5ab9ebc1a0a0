"""Statement sources: whom we hear from, how they write, and how we stand with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import LedgerKind
from accounts.reconciliation.admin import show as words
from accounts.reconciliation.models import Break, ImportedStatement, ReconciliationRun, StatementSource
from accounts.reconciliation.selectors import held_with
from accounts.reconciliation.services import matching, sources
from accounts.reconciliation.services.importing import Terms
from accounts.reconciliation.services.uploads import upload
from audit.admin.acting import actor_of
from instruments.admin.show import amount
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.editing import Edit, edit_form
from tradeplatform.common.admin.fields import choice_field, day_field, file_field, model_fields, text_field
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.changes import Seen
from tradeplatform.common.decimals import read_decimal
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.wording import in_words

_SHOWN = 10

MappingForm = type("MappingForm", (ReasonForm,), model_fields(StatementSource, sources.SOURCE_FIELDS))


class NewSourceForm(MappingForm):  # type: ignore[misc,valid-type]
    """The mapping, and what is for ever: name, kind of ledger account, assets."""

    name = text_field("Name", max_length=32, help_text="Short and for ever, such as first-bank-usd.")
    kind = choice_field("Ledger accounts", [(kind.value, kind.label) for kind in sources.KINDS])
    assets = text_field(
        "Assets", max_length=200, help_text="Codes with blanks between them, such as USD EUR."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["name", "kind", "assets", *self.fields])


class AddSource(Button):
    """A bank or custodian more."""

    name, label, icon = "add", "New source", "add"
    permission = "reconciliation.add_statementsource"
    form_class = NewSourceForm

    def act(self, obj: None, data: Mapping[str, Any]) -> Done:
        """Add it."""
        added = sources.add_source(
            name=data["name"],
            kind=LedgerKind(data["kind"]),
            assets=data["assets"].split(),
            values={name: data[name] for name in sources.SOURCE_FIELDS},
            reason=data["reason"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        return Done(f"{added} can be imported from.", show.page_of(added, added.pk))


class EditMapping(Edit):
    """How its files are read, from now on."""

    label = "Edit mapping"
    permission = "reconciliation.change_statementsource"
    fields = sources.SOURCE_FIELDS
    form_class = edit_form(StatementSource, fields)

    def save(
        self, obj: StatementSource, changes: dict[str, Any], seen: Seen, data: Mapping[str, Any]
    ) -> Done:
        """Change it."""
        sources.change_source(
            source_id=obj.pk,
            changes=changes,
            seen=seen,
            reason=data["reason"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        return Done("The next file is read by the new mapping.")


class UploadForm(ReasonForm):
    """A file, and what a person says beside it."""

    file = file_field("Statement", help_text="CSV in UTF-8, at most 10 MB and 100,000 rows.")
    first = day_field("From", required=False, help_text="Empty: the day of its first line.")
    last = day_field("To", required=False, help_text="Empty: the day of its last line.")
    closing = text_field(
        "Closing balances", required=False, max_length=500,
        help_text="What it says we had at its end, such as USD=1250.50 EUR=3; compared with our ledger.",
    )  # fmt: skip


class Upload(Button):
    """Look at a file before anything of it is taken."""

    name, label, icon = "upload", "Upload statement", "upload_file"
    permission = "reconciliation.import_statement"
    form_class = UploadForm

    def intro(self, obj: StatementSource) -> str:
        """That nothing is taken yet."""
        return (
            "The next page shows what the file would do. Nothing of it is imported before you say so there."
        )

    def act(self, obj: StatementSource, data: Mapping[str, Any]) -> Done:
        """Keep it with its preview."""
        kept = upload(
            source_id=obj.pk,
            file=data["file"],
            file_name=data["file"].name,
            terms=Terms(data["first"], data["last"], _closing(data["closing"])),
            reason=data["reason"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        return Done("Nothing is imported yet: see what it would do.", show.page_of(kept, kept.pk))


class Rematch(Button):
    """Try all rules again."""

    name, label, icon = "match", "Match again", "sync"
    permission = "reconciliation.run_reconciliation"

    def act(self, obj: StatementSource, data: Mapping[str, Any]) -> Done:
        """As each night."""
        (run,) = matching.rematch(actor=actor_of(self.request), now=timezone.now(), source_id=obj.pk)
        return Done(f"{run.matched} matched, {run.closed} breaks closed, {run.breaks} are open.")


@admin.register(StatementSource)
class StatementSourceAdmin(DetailMixin, BackOfficeList):
    """All sources."""

    question = "Which banks and custodians do we hear from, and does what they say agree with us?"
    when_empty = "There is no source yet. Press New source: it says how a bank's files are written."
    ordering = ("name",)
    list_display = ("label", "who", "ledgers_shown", "last_shown", "open_shown")
    list_display_links = ("label",)
    buttons: ClassVar[list[type[Button]]] = [Upload, Rematch, EditMapping]
    list_buttons: ClassVar[list[type[Button]]] = [AddSource]

    def get_queryset(self, request: HttpRequest) -> QuerySet[StatementSource]:
        """With their ledger accounts."""
        return StatementSource.objects.prefetch_related("ledgers__ledger__asset")

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """The last statement and the open breaks of all at once."""
        ids = [row.pk for row in rows]
        last = dict(
            ImportedStatement.objects.filter(source__in=ids)
            .values_list("source").annotate(last=Max("until")).order_by()
        )  # fmt: skip
        still = dict(
            Break.objects.filter(source__in=ids, state="open")
            .values_list("source").annotate(count=Count("pk")).order_by()
        )  # fmt: skip
        for row in rows:
            row.last_until, row.open_breaks = last.get(row.pk), still.get(row.pk, 0)

    @admin.display(description="Source")
    def label(self, source: StatementSource) -> str:
        """Its name."""
        return source.name

    @admin.display(description="Counterparty")
    def who(self, source: StatementSource) -> str:
        """Who tells us."""
        return source.counterparty

    @admin.display(description="Ledger accounts")
    def ledgers_shown(self, source: StatementSource) -> SafeString:
        """What it is the other side of."""
        return show.together(words.ledger(row.ledger) for row in source.ledgers.all())

    @admin.display(description="Told up to (UTC)")
    def last_shown(self, source: Any) -> SafeString | str:
        """The end of its last statement."""
        until: datetime | None = source.last_until
        return show.when(until)

    @admin.display(description="Open breaks")
    def open_shown(self, source: Any) -> SafeString:
        """How many, as a link to them."""
        shown = show.number(show.whole(source.open_breaks), muted=not source.open_breaks)
        return show.link(show.list_of(Break, source=source.name), shown)

    def heading(self, source: StatementSource) -> str:
        """Its name."""
        return source.name

    def subheading(self, source: StatementSource) -> str:
        """Who it is."""
        return source.counterparty

    def panels(self, request: HttpRequest, source: StatementSource) -> Iterable[Panel]:
        """How we stand, its statements, the runs, and how it writes."""
        ledgers = [row.ledger for row in source.ledgers.select_related("ledger__asset").order_by("pk")]
        held = held_with([ledger.pk for ledger in ledgers], timezone.now())
        still = Break.objects.filter(source=source, state="open").values_list("ledger", "amount")
        sums: dict[int, Decimal] = {}
        for ledger_id, difference in still:
            sums[ledger_id] = sums.get(ledger_id, Decimal(0)) + difference
        yield Table(
            "What we have there now, by our ledger",
            columns("Ledger account", "#With them", "#Open breaks come to"),
            [
                [
                    words.ledger(ledger),
                    amount(held[ledger.pk], ledger.asset),
                    amount(sums.get(ledger.pk, Decimal(0)), ledger.asset),
                ]
                for ledger in ledgers
            ],
            empty="",
            note="Without demo money.",
            more=(show.list_of(Break, source=source.name), "Its open breaks"),
        )
        yield _statements(source)
        yield _runs(source)
        yield Facts("How its files are written", list(_how(source)), wide=True)


def _statements(source: StatementSource) -> Table:
    rows = ImportedStatement.objects.filter(source=source).order_by("-pk")[:_SHOWN]
    return Table(
        "Latest statements",
        columns("Statement", "File", "From (UTC)", "Up to (UTC)", "#New lines", "#Known lines", "By"),
        [
            [
                show.ref(row, row.pk),
                row.file_name,
                show.when(row.since),
                show.when(row.until),
                show.whole(row.new),
                show.whole(row.known),
                row.actor_label,
            ]
            for row in rows
        ],
        empty="Nothing was imported yet. Press Upload statement.",
        more=(show.list_of(ImportedStatement, source=source.name), "All statements"),
    )


def _runs(source: StatementSource) -> Table:
    rows = list(ReconciliationRun.objects.filter(source=source).order_by("-pk")[:_SHOWN])
    most = max((row.breaks for row in rows), default=0)
    return Table(
        "Latest runs of the rules",
        columns("When (UTC)", "By", "#Matched", "#Opened", "#Closed", "#Open after it", "", "Oldest (UTC)"),
        [
            [
                show.when(row.at),
                row.actor_label,
                row.matched,
                row.opened,
                row.closed,
                row.breaks,
                show.bar((Decimal(row.breaks), "warn"), (Decimal(most - row.breaks), "open")),
                show.when(row.oldest),
            ]
            for row in rows
        ],
        empty="The rules run each night, with each import, and by Match again.",
    )


def _how(source: StatementSource) -> Iterable[Fact]:
    for name in ("reference", "date", "amount", "credit", "debit", "asset", "our_reference", "text"):
        column = getattr(source, f"{name}_column")
        if column:
            yield Fact(f"{in_words(name)} column", show.mono(column))
    yield Fact("Cells end with", source.get_delimiter_display())
    yield Fact("Decimal mark", source.get_decimal_mark_display())
    yield Fact("Dates like", source.get_date_format_display())
    yield Fact("Amounts match within", f"{source.match_days} days")


def _closing(typed: str) -> dict[str, Decimal]:
    """Balances as typed, by asset."""
    found = {}
    for word in typed.split():
        code, _equals, number = word.partition("=")
        balance = read_decimal(number)
        if balance is None:
            raise Refusal(Code.INVALID_NUMBER, f"{word!a} is not written like USD=1250.50.", field="closing")
        found[code] = balance
    return found
