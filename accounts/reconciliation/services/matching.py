"""Match by hand, take a match apart, and try the rules again for every source."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from accounts.reconciliation.models import (
    Break,
    BreakState,
    Match,
    MatchLeg,
    ReconciliationRun,
    Rule,
    StatementLine,
    StatementSource,
    Undoing,
)
from accounts.reconciliation.selectors import OurTransfer, transfers_of
from accounts.reconciliation.services.rules import settle
from accounts.reconciliation.services.sources import lock_source
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.scaling import short_text
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Sides:
    """Lines of theirs and transfers of ours, of one ledger account, that nothing matches yet."""

    lines: Sequence[StatementLine]
    transfers: Sequence[OurTransfer]

    @property
    def theirs(self) -> Decimal:
        """What the lines come to."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def ours(self) -> Decimal:
        """What the transfers come to."""
        return sum((transfer.amount for transfer in self.transfers), Decimal(0))


def sides_of(source_id: int, *, line_ids: Collection[int], transfer_ids: Collection[int]) -> Sides:
    """Both sides. Raises Refusal: not_found, already_matched, sides_differ (assets)."""
    lines = list(StatementLine.objects.filter(source=source_id, pk__in=line_ids).order_by("pk"))
    transfers = transfers_of(source_id, list(transfer_ids))
    if missing := set(line_ids) - {line.pk for line in lines}:
        raise Refusal(Code.NOT_FOUND, f"The source has no line {min(missing)}.", field="lines")
    if missing := set(transfer_ids) - {row.id for row in transfers}:
        raise Refusal(Code.NOT_FOUND, f"Transfer {min(missing)} is not with this source.", field="transfers")
    matched = MatchLeg.objects.filter(line__in=line_ids, undone=False).values_list("line_id", flat=True)
    if taken := [*matched, *(row.id for row in transfers if row.matched)]:
        raise _matched_already(taken[0])
    if len({line.ledger_id for line in lines} | {row.ledger_id for row in transfers}) > 1:
        raise Refusal(Code.SIDES_DIFFER, "The two sides are of different assets.")
    return Sides(lines, transfers)


def match_by_hand(
    *,
    source_id: int,
    line_ids: Collection[int],
    transfer_ids: Collection[int],
    reason: str,
    actor: Actor,
    now: datetime,
) -> Match:
    """Say that these lines and transfers are the same money. Without a line: transfers that come to nothing.

    Raises Refusal: reason_required, not_found, already_matched, sides_differ, invalid_field (fewer than two).
    """
    reason = require_reason(reason)
    if len(line_ids) + len(transfer_ids) < 2:  # noqa: PLR2004 - a pair
        raise Refusal(Code.INVALID_FIELD, "A match has two sides at least.", field="lines")
    with once_each(), transaction.atomic():
        source = lock_source(source_id)
        sides = sides_of(source_id, line_ids=line_ids, transfer_ids=transfer_ids)
        if sides.theirs != sides.ours:
            raise Refusal(
                Code.SIDES_DIFFER,
                f"Theirs come to {short_text(sides.theirs)} and ours to {short_text(sides.ours)}.",
                theirs=short_text(sides.theirs),
                ours=short_text(sides.ours),
            )
        match = write_match(source, Rule.HAND, sides, reason=reason, actor=actor, now=now)
        settle(source, since=None, actor=actor, now=now)
        record(
            actor=actor,
            action="reconciliation.match.hand",
            target_type="reconciliation.match",
            target_id=match.pk,
            target_label=f"{source}: {match}",
            reason=reason,
            after={"lines": sorted(line_ids), "transfers": sorted(transfer_ids)},
            now=now,
        )
    return match


def undo(*, match_id: int, reason: str, actor: Actor, now: datetime) -> Undoing:
    """Take a match apart. Both sides are open again, and no rule brings them together again.

    A write-off that was wrong is taken apart first; then its transfer can be corrected. Raises Refusal:
    reason_required, not_found, already_undone.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        match = Match.objects.filter(pk=match_id).first()
        if match is None:
            raise Refusal(Code.NOT_FOUND, "No such match.", match=match_id)
        source = lock_source(match.source_id)
        if Undoing.objects.filter(match=match).exists():
            raise Refusal(Code.ALREADY_UNDONE, "It was taken apart already.", match=match_id)
        undoing = Undoing.objects.create(
            match=match, at=now, reason=reason, actor_id=actor.user_id, actor_label=actor.label
        )
        match.legs.update(undone=True)
        settle(source, since=_oldest(match), actor=actor, now=now)
        record(
            actor=actor,
            action="reconciliation.match.undo",
            target_type="reconciliation.match",
            target_id=match.pk,
            target_label=f"{source}: {match}",
            reason=reason,
            now=now,
        )
    return undoing


def rematch(*, actor: Actor, now: datetime, source_id: int | None = None) -> list[ReconciliationRun]:
    """Try all rules again, for one source or for each, and store what is open after it.

    May run at any time and beside itself: each source is locked for its own turn.
    """
    ids = [source_id] if source_id is not None else _all_sources()
    return [_run(pk, actor=actor, now=now) for pk in ids]


def write_match(
    source: StatementSource, rule: Rule, sides: Sides, *, reason: str, actor: Actor, now: datetime
) -> Match:
    """The match and its legs. The database refuses sides that differ, or that something else matches."""
    match = Match.objects.create(
        source=source, rule=rule, at=now, reason=reason, actor_id=actor.user_id, actor_label=actor.label
    )
    MatchLeg.objects.bulk_create(
        [
            *(MatchLeg(match=match, line=line, amount=line.amount) for line in sides.lines),
            *(MatchLeg(match=match, transfer_id=row.id, amount=-row.amount) for row in sides.transfers),
        ]
    )
    return match


@contextmanager
def once_each() -> Iterator[None]:
    """The database's own word that a line or transfer is matched already, as a refusal."""
    try:
        yield
    except IntegrityError as error:
        if "_matched_once" not in str(error):
            raise
        raise _matched_already(None) from error


def _run(source_id: int, *, actor: Actor, now: datetime) -> ReconciliationRun:
    with transaction.atomic():
        source = lock_source(source_id)
        settled = settle(source, since=None, actor=actor, now=now)
        still = Break.objects.filter(source=source, state=BreakState.OPEN)
        times = list(still.order_by("happened_at").values_list("happened_at", flat=True))
        return ReconciliationRun.objects.create(
            source=source,
            at=now,
            actor_label=actor.label,
            matched=sum(settled.matched.values()),
            opened=settled.opened,
            closed=settled.closed,
            breaks=len(times),
            oldest=times[0] if times else None,
        )


def _all_sources() -> list[int]:
    return list(StatementSource.objects.order_by("pk").values_list("pk", flat=True))


def _oldest(match: Match) -> datetime:
    """When the first of its sides happened."""
    ((moment,),) = fetch(
        """
        SELECT least(min(l.booked_at), min(t.at)) FROM reconciliation_matchleg g
        LEFT JOIN reconciliation_statementline l ON l.id = g.line_id
        LEFT JOIN accounts_transfer t ON t.id = g.transfer_id
        WHERE g.match_id = %s""",
        [match.pk],
    )
    found: datetime = moment
    return found


def _matched_already(pk: int | None) -> Refusal:
    return Refusal(Code.ALREADY_MATCHED, "It is matched already: somebody else was faster.", id=pk)
