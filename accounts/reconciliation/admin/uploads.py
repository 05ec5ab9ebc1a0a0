"""Uploads: what a file would do, before anything of it is imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.reconciliation.models import StatementUpload
from accounts.reconciliation.services.uploads import discard, import_upload, preview_upload
from audit.admin.acting import actor_of
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone

_PERMISSION = "reconciliation.import_statement"


class Import(Button):
    """Take it whole."""

    name, label, icon = "import", "Import", "download_done"
    permission = _PERMISSION

    def why_not(self, obj: StatementUpload) -> str:
        """Rows are at fault."""
        return "Rows of it are at fault: mend the file and upload it again." if obj.preview["faults"] else ""

    def initial(self, obj: StatementUpload) -> Mapping[str, Any]:
        """Why it was uploaded."""
        return {"reason": obj.reason}

    def effects(self, obj: StatementUpload, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What it would do as things stand now."""
        found = preview_upload(obj, actor=actor_of(self.request), now=timezone.now())
        if found.imported is None:
            first = found.faults[0]
            return [Effect("It cannot be imported now", f"line {first.line}", first.message)]
        return [Effect(label, "", value) for label, value in outcome(found.as_json()["would"])]

    def act(self, obj: StatementUpload, data: Mapping[str, Any]) -> Done:
        """Import it."""
        done = import_upload(
            upload_id=obj.pk, reason=data["reason"], actor=actor_of(self.request), now=timezone.now()
        )
        if done.statement is None:
            return Done(
                "It says nothing that is not known: nothing was added.", show.list_of(StatementUpload)
            )
        matched = sum(done.settled.matched.values())
        said = f"{done.new} lines are new, {matched} matched; {done.breaks} breaks are open."
        return Done(said, show.page_of(done.statement, done.statement.pk))


class Discard(Button):
    """Throw it away."""

    name, label, icon = "discard", "Discard", "delete"
    permission = _PERMISSION
    danger = True

    def act(self, obj: StatementUpload, data: Mapping[str, Any]) -> Done:
        """It is gone."""
        discard(upload_id=obj.pk, reason=data["reason"], actor=actor_of(self.request), now=timezone.now())
        return Done("It was thrown away.", show.list_of(StatementUpload))


@admin.register(StatementUpload)
class StatementUploadAdmin(DetailMixin, KeysetList):
    """What waits to be imported."""

    question = "Which statements were uploaded and wait to be imported?"
    when_empty = "Nothing waits. A statement is uploaded on its source's page."
    list_display = ("number", "source", "file_name", "verdict", "rows_shown", "by", "moment")
    list_display_links = ("number",)
    buttons: ClassVar[list[type[Button]]] = [Import, Discard]

    def get_queryset(self, request: HttpRequest) -> QuerySet[StatementUpload]:
        """Without the files themselves: the buttons read them."""
        return StatementUpload.objects.select_related("source").defer("content")

    @admin.display(description="Upload")
    def number(self, row: StatementUpload) -> SafeString | str:
        """Its number."""
        return show.mono(row.pk)

    @admin.display(description="Result")
    def verdict(self, row: StatementUpload) -> SafeString:
        """Whether it can be imported."""
        return _verdict(row)

    @admin.display(description="Rows")
    def rows_shown(self, row: StatementUpload) -> SafeString:
        """How many there are."""
        return show.number(show.whole(row.preview["rows"]))

    @admin.display(description="By")
    def by(self, row: StatementUpload) -> str:
        """Who uploaded it."""
        return row.actor_label

    @admin.display(description="When (UTC)")
    def moment(self, row: StatementUpload) -> SafeString | str:
        """When."""
        return show.when(row.at)

    def heading(self, row: StatementUpload) -> str:
        """The file."""
        return row.file_name

    def subheading(self, row: StatementUpload) -> SafeString:
        """Whose."""
        return show.together(["Not imported yet; from", show.ref(row.source)])

    def badges(self, row: StatementUpload) -> Iterable[SafeString]:
        """Whether it can be imported."""
        return [_verdict(row)]

    def panels(self, request: HttpRequest, row: StatementUpload) -> Iterable[Panel]:
        """What it would do, or what is wrong with it."""
        would = row.preview["would"]
        if would:
            yield Facts(
                "What importing it would do, as it was when it was uploaded",
                [Fact(label, value) for label, value in outcome(would)],
                wide=True,
            )
        else:
            faults = row.preview["faults"]
            yield Table(
                f"{show.whole(faults)} of {show.whole(row.preview['rows'])} rows "
                f"{'is' if faults == 1 else 'are'} at fault",
                columns("#Line of the file", "Code", "What is wrong"),
                [
                    [error["line"], show.mono(error["code"]), error["message"]]
                    for error in row.preview["errors"]
                ],
                empty="",
                note=f"The first {len(row.preview['errors'])}."
                if faults > len(row.preview["errors"])
                else "",
            )
        yield Facts(
            "The upload",
            [
                Fact("Source", show.ref(row.source)),
                Fact("By", row.actor_label),
                Fact("When (UTC)", show.when(row.at)),
                Fact("Reason", row.reason),
            ],
            wide=True,
        )


def outcome(would: Mapping[str, Any]) -> list[tuple[str, object]]:
    """What importing does, in words."""
    rules = ", ".join(f"{count} by {rule}" for rule, count in would["matched"].items()) or "none"
    rows: list[tuple[str, object]] = [
        (
            "Speaks of",
            f"{would['since'][:16].replace('T', ' ')} to {would['until'][:16].replace('T', ' ')} UTC",
        ),
        ("New lines", show.whole(would["new"])),
        ("Lines known already", show.whole(would["known"])),
        ("Matches", rules),
        ("Breaks opened", show.whole(would["breaks_opened"])),
        ("Breaks closed", show.whole(would["breaks_closed"])),
        ("Breaks open after it", show.whole(would["breaks_open"])),
    ]
    for row in would.get("breaking", ()):  # not in what an older release has kept
        said = f"{row['reference']}, {row['amount']} {row['asset']}: {row['kind'].lower()}"
        rows.append((f"Line {row['line']} becomes a break", said))
    for row in would["balances"]:
        said = f"{row['theirs']}, ours {row['ours']}: difference {row['difference']}"
        rows.append((f"Closing balance in {row['asset']}", said))
    return rows


def _at_fault(faults: int) -> str:
    return "1 row at fault" if faults == 1 else f"{show.whole(faults)} rows at fault"


def _verdict(row: StatementUpload) -> SafeString:
    faults = row.preview["faults"]
    if faults:
        return show.badge(_at_fault(faults), Tone.BAD)
    return show.badge("Can be imported", Tone.GOOD)
