"""Take a statement whole or not at all, after a preview if wished; the same again adds nothing.

The source's reference is the idempotency story of a line, a fingerprint that of a file: told again it is the
same, told otherwise a conflict, and neither changes anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

from django.db import transaction

from accounts.reconciliation.models import (
    Break,
    BreakState,
    ImportedStatement,
    StatementBalance,
    StatementSource,
)
from accounts.reconciliation.reading import MOST_FAULTS, Fault, ReadFile, ToldLine, faulty, read_file
from accounts.reconciliation.selectors import held_with
from accounts.reconciliation.services.rules import Settled, settle
from accounts.reconciliation.services.sources import assets_of, lock_source
from accounts.services.amounts import check_amount
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Asset
from instruments.scaling import short_text
from tradeplatform.common.db import copy_rows, fetch, next_ids
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import rfc3339

#: So many lines that would become breaks are named in a preview; all are counted.
_MOST_BREAKING = 10
_COLUMNS = (
    "id", "source_id", "statement_id", "number", "reference", "booked_at", "ledger_id", "amount",
    "our_reference", "text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person says beside the file: its first and last day, else those of its lines; closing balances.

    `closing` is by asset code.
    """

    first: date | None = None
    last: date | None = None
    closing: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Balance:
    """What they say we had at the end, and what our ledger says."""

    asset: str
    theirs: Decimal
    ours: Decimal


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file. `statement` is None where it said nothing new and was not stored."""

    statement: ImportedStatement | None
    repeated: bool
    since: datetime
    until: datetime
    new: int = 0
    known: int = 0
    settled: Settled = field(default_factory=lambda: Settled({}, 0, 0))
    breaks: int = 0
    balances: Sequence[Balance] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the preview."""
        return {
            "statement": self.statement.pk if self.statement else None,
            "repeated": self.repeated,
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "new": self.new,
            "known": self.known,
            "matched": self.settled.matched,
            "breaks_opened": self.settled.opened,
            "breaks_closed": self.settled.closed,
            "breaks_open": self.breaks,
            "balances": [
                {
                    "asset": row.asset,
                    "theirs": short_text(row.theirs),
                    "ours": short_text(row.ours),
                    "difference": short_text(row.theirs - row.ours),
                }
                for row in self.balances
            ],
        }


@dataclass(frozen=True, slots=True)
class Preview:
    """What importing would do, or the rows at fault, for which it would do nothing."""

    imported: Imported | None
    lines: int
    faults: Sequence[Fault]
    breaking: Sequence[Break] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`, and to keep with an upload."""
        return {
            "rows": self.lines,
            "faults": len(self.faults),
            "errors": [fault.as_json() for fault in self.faults[:MOST_FAULTS]],
            "would": self.imported.as_json()
            | {"statement": None, "breaking": [_breaking_json(found) for found in self.breaking]}
            if self.imported
            else None,
        }


def import_statement(
    *,
    source_id: int,
    file: BinaryIO,
    file_name: str,
    terms: Terms,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Imported:
    """Take the file's lines, match what can be matched, and open breaks for what is left; or take nothing.

    Raises Refusal: reason_required, not_found, and for the file invalid_file, wrong_columns, formula_cell,
    invalid_number, invalid_field, unknown_asset, duplicate_line or line_conflict, with the rows at fault.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        source = lock_source(source_id)
        reading, faults = _read(source, file, terms, now)
        if faults:
            raise faulty(faults)
        return _take(source, reading, file_name, terms, reason=reason, actor=actor, now=now)


def preview_statement(
    *, source_id: int, file: BinaryIO, terms: Terms, actor: Actor, now: datetime
) -> Preview:
    """Do it all and take it back. Rows at fault are told, not refused; a file that is none is refused."""
    with transaction.atomic():
        source = lock_source(source_id)
        reading, faults = _read(source, file, terms, now)
        rows = len(reading.lines) + len(reading.faults)
        imported = None
        if not faults:
            imported = _take(source, reading, "preview", terms, reason="preview", actor=actor, now=now)
        breaking = _breaking(imported.statement) if imported and imported.statement else []
        transaction.set_rollback(True)
    return Preview(imported, rows, faults, breaking)


def _breaking(statement: ImportedStatement) -> list[Break]:
    """The first of its lines that are in an open break."""
    found = Break.objects.filter(line__statement=statement, state=BreakState.OPEN)
    return list(found.select_related("line", "ledger__asset").order_by("line__number")[:_MOST_BREAKING])


def _breaking_json(found: Break) -> dict[str, Any]:
    assert found.line is not None  # noqa: S101 - for the type checker
    return {
        "line": found.line.number,
        "reference": found.line.reference,
        "amount": short_text(found.line.amount),
        "asset": found.ledger.asset.code,
        "kind": found.get_kind_display(),
    }


def _read(
    source: StatementSource, file: BinaryIO, terms: Terms, now: datetime
) -> tuple[ReadFile, list[Fault]]:
    """The file, and all that is wrong with its rows by themselves and beside what is known."""
    assets = {asset.code: asset for asset in assets_of(source).values()}
    _check_terms(terms, assets, now)
    reading = read_file(file, source, assets, now=now)
    faults = [*reading.faults, *_outside(reading.lines, terms), *_conflicts(source, reading.lines)]
    return reading, sorted(faults, key=lambda fault: fault.line)


def _take(
    source: StatementSource,
    reading: ReadFile,
    file_name: str,
    terms: Terms,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Imported:
    since, until = _period(reading.lines, terms, now)
    fingerprint = _fingerprint(reading, terms)
    if first := ImportedStatement.objects.filter(source=source, fingerprint=fingerprint).first():
        return Imported(
            first,
            repeated=True,
            since=first.since,
            until=first.until,
            known=first.new + first.known,
            breaks=_open_breaks(source),
        )
    known = _known(source, [line.reference for line in reading.lines])
    fresh = [line for line in reading.lines if line.reference not in known]
    if not fresh and not terms.closing and _covered(source, since, until):
        return Imported(
            None, repeated=True, since=since, until=until, known=len(known), breaks=_open_breaks(source)
        )
    statement = ImportedStatement.objects.create(
        source=source,
        file_name=file_name[:150],
        sha256=reading.sha256,
        fingerprint=fingerprint,
        since=since,
        until=until,
        new=len(fresh),
        known=len(known),
        at=now,
        reason=reason,
        actor_id=actor.user_id,
        actor_label=actor.label,
    )
    ledgers = {asset.code: ledger_id for ledger_id, asset in assets_of(source).items()}
    _copy(source, statement, fresh, ledgers)
    settled = settle(source, since=since, actor=actor, now=now)
    balances = _balances(statement, terms, ledgers)
    imported = Imported(
        statement,
        repeated=False,
        since=since,
        until=until,
        new=len(fresh),
        known=len(known),
        settled=settled,
        breaks=_open_breaks(source),
        balances=balances,
    )
    record(
        actor=actor,
        action="reconciliation.statement.import",
        target_type="reconciliation.importedstatement",
        target_id=statement.pk,
        target_label=f"{source}: {statement}",
        reason=reason,
        after=imported.as_json() | {"sha256": reading.sha256},
        now=now,
    )
    return imported


def _open_breaks(source: StatementSource) -> int:
    return Break.objects.filter(source=source, state=BreakState.OPEN).count()


def _check_terms(terms: Terms, assets: Mapping[str, Asset], now: datetime) -> None:
    today = now.astimezone(UTC).date()
    if terms.first and terms.last and terms.first > terms.last:
        raise Refusal(Code.INVALID_FIELD, "The period must run forwards.", field="last")
    if max(terms.first or date.min, terms.last or date.min) > today:
        raise Refusal(Code.INVALID_FIELD, "The period lies in the future.", field="last")
    for code, amount in terms.closing.items():
        if code not in assets:
            raise Refusal(Code.UNKNOWN_ASSET, f"{code[:16]!a} is no asset of this source.", field="closing")
        if amount:
            check_amount(amount, assets[code])


def _outside(lines: Sequence[ToldLine], terms: Terms) -> list[Fault]:
    first, last = terms.first or date.min, terms.last or date.max
    return [
        Fault(line.number, Code.INVALID_FIELD, "The date is outside of the statement's period.")
        for line in lines
        if not first <= line.booked_at.date() <= last
    ]


def _conflicts(source: StatementSource, lines: Sequence[ToldLine]) -> list[Fault]:
    """Lines whose reference the source has used for something else."""
    rows = fetch(
        """
        SELECT l.number, k.statement_id FROM unnest(%s::int[], %s::text[], %s::timestamptz[], %s::text[],
            %s::numeric[], %s::text[]) AS l(number, reference, booked_at, asset, amount, our_reference)
        JOIN reconciliation_statementline k ON k.source_id = %s AND k.reference = l.reference
        JOIN accounts_ledgeraccount la ON la.id = k.ledger_id JOIN instruments_asset a ON a.id = la.asset_id
        WHERE (k.booked_at, a.code, k.amount, k.our_reference)
            IS DISTINCT FROM (l.booked_at, l.asset, l.amount, l.our_reference)""",
        [
            [line.number for line in lines],
            [line.reference for line in lines],
            [line.booked_at for line in lines],
            [line.asset for line in lines],
            [line.amount for line in lines],
            [line.our_reference for line in lines],
            source.pk,
        ],
    )
    return [
        Fault(number, Code.LINE_CONFLICT, f"Statement {statement} has told this reference otherwise.")
        for number, statement in rows
    ]


def _known(source: StatementSource, references: Sequence[str]) -> set[str]:
    rows = fetch(
        "SELECT reference FROM reconciliation_statementline WHERE source_id = %s AND reference = ANY(%s)",
        [source.pk, list(references)],
    )
    return {row[0] for row in rows}


def _period(lines: Sequence[ToldLine], terms: Terms, now: datetime) -> tuple[datetime, datetime]:
    """Whole days, UTC; a day that is not over yet counts up to now."""
    first = terms.first or min(line.booked_at for line in lines).date()
    last = terms.last or max(line.booked_at for line in lines).date()
    since = datetime.combine(first, time(), UTC)
    until = datetime.combine(max(first, last), time(), UTC) + timedelta(days=1)
    return since, max(min(until, now), since + timedelta(microseconds=1))


def _fingerprint(reading: ReadFile, terms: Terms) -> str:
    closing = sorted(f"{code}={short_text(amount)}" for code, amount in terms.closing.items())
    said = "|".join([reading.sha256, str(terms.first), str(terms.last), *closing])
    return hashlib.sha256(said.encode()).hexdigest()


def _covered(source: StatementSource, since: datetime, until: datetime) -> bool:
    """Whether one statement has spoken of all that time."""
    return ImportedStatement.objects.filter(source=source, since__lte=since, until__gte=until).exists()


def _copy(
    source: StatementSource,
    statement: ImportedStatement,
    lines: Sequence[ToldLine],
    ledgers: Mapping[str, int],
) -> None:
    ids = next_ids("reconciliation_statementline_id_seq", len(lines)) if lines else []
    copy_rows(
        "reconciliation_statementline",
        _COLUMNS,
        (
            (
                pk, source.pk, statement.pk, line.number, line.reference, line.booked_at,
                ledgers[line.asset], line.amount, line.our_reference, line.text,
            )
            for pk, line in zip(ids, lines, strict=True)
        ),
    )  # fmt: skip


def _balances(statement: ImportedStatement, terms: Terms, ledgers: Mapping[str, int]) -> list[Balance]:
    """Compare what they close with to what our ledger held at that moment, and keep both."""
    if not terms.closing:
        return []
    ours = held_with([ledgers[code] for code in terms.closing], statement.until)
    found = [Balance(code, theirs, ours[ledgers[code]]) for code, theirs in sorted(terms.closing.items())]
    StatementBalance.objects.bulk_create(
        StatementBalance(statement=statement, ledger_id=ledgers[row.asset], theirs=row.theirs, ours=row.ours)
        for row in found
    )
    return found
