"""Find what is the same money on both sides, rule after rule, and say what is left: set-based SQL.

The transaction works on three temporary tables: `theirs` (lines that nothing matches), `ours` (transfers of
the source's ledger accounts that nothing matches, amounts as a line counts them) and `pairs` (a line that
names a transfer). A rule finds groups of them, which become matches and leave the tables. Lines and transfers
that a person has taken apart are never brought together again by a rule.

Steps are tables with statistics and not parts of one query: nobody can guess how many rows a rule finds, and
a plan for one row takes hours for a hundred thousand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.reconciliation.models import Rule, StatementSource
from accounts.reconciliation.models.source import MOST_DAYS
from audit.actor import Actor
from tradeplatform.common.db import execute, fetch, require_transaction

_MARGIN = timedelta(days=MOST_DAYS)

_TABLES = (
    """
    DROP TABLE IF EXISTS pg_temp.theirs, pg_temp.ours, pg_temp.pairs, pg_temp.apart, pg_temp.found,
        pg_temp.numbered, pg_temp.wanted""",
    """
    CREATE TEMPORARY TABLE theirs ON COMMIT DROP AS
    SELECT l.id, l.booked_at, l.ledger_id, l.amount, l.reference, l.our_reference
    FROM reconciliation_statementline l
    WHERE l.source_id = %(source)s AND l.booked_at >= %(since)s
      AND NOT EXISTS (SELECT 1 FROM reconciliation_matchleg g WHERE g.line_id = l.id AND NOT g.undone)""",
    """
    CREATE TEMPORARY TABLE ours ON COMMIT DROP AS
    SELECT t.id, t.at, s.ledger_id, t.amount, t.request_id, t.corrects_id
    FROM reconciliation_sourceledger s
    CROSS JOIN LATERAL (
        SELECT id, at, amount, request_id, corrects_id FROM accounts_transfer
        WHERE debit_id = s.ledger_id AND at >= %(since)s
        UNION ALL
        SELECT id, at, -amount, request_id, corrects_id FROM accounts_transfer
        WHERE credit_id = s.ledger_id AND at >= %(since)s
    ) t
    WHERE s.source_id = %(source)s
      AND NOT EXISTS (SELECT 1 FROM reconciliation_matchleg g WHERE g.transfer_id = t.id AND NOT g.undone)""",
    """
    CREATE TEMPORARY TABLE apart ON COMMIT DROP AS
    SELECT DISTINCT g.match_id, g.line_id, g.transfer_id FROM reconciliation_matchleg g
    JOIN reconciliation_match m ON m.id = g.match_id
    WHERE m.source_id = %(source)s AND g.undone""",
    # A number alone is a transfer's only where it stands as our reference: theirs are numbers too.
    """
    CREATE TEMPORARY TABLE pairs ON COMMIT DROP AS
    WITH keys AS (
        SELECT id, ledger_id, request_id AS key FROM ours WHERE request_id <> ''
        UNION
        SELECT o.id, o.ledger_id, m.reference FROM ours o
        JOIN accounts_moneyrequest m ON m.identity_id = o.request_id WHERE m.reference <> ''
    ), named AS (
        SELECT id, ledger_id, reference AS key FROM theirs
        UNION SELECT id, ledger_id, our_reference FROM theirs WHERE our_reference <> ''
    )
    SELECT n.id AS line, k.id AS transfer FROM named n JOIN keys k USING (key, ledger_id)
    UNION
    SELECT l.id, o.id FROM theirs l JOIN ours o ON o.id::text = l.our_reference AND o.ledger_id = l.ledger_id
    EXCEPT
    SELECT a.line_id, b.transfer_id FROM apart a JOIN apart b USING (match_id)""",
    "CREATE TEMPORARY TABLE found (grp bigint, line bigint, transfer bigint) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE numbered (grp bigint, match_id bigint) ON COMMIT DROP",
    "ANALYZE pg_temp.theirs",
    "ANALYZE pg_temp.ours",
    "ANALYZE pg_temp.pairs",
)

_ALONE_ON_BOTH_SIDES = """
    SELECT line AS grp, line, transfer FROM (
        SELECT *, count(*) OVER (PARTITION BY line) AS transfers,
               count(*) OVER (PARTITION BY transfer) AS lines
        FROM ({candidates}) c) counted
    WHERE transfers = 1 AND lines = 1"""

#: Each finds rows of (group, line or null, transfer or null).
_RULES = {
    Rule.REFERENCE: _ALONE_ON_BOTH_SIDES.format(
        candidates="""
            SELECT p.line, p.transfer FROM pairs p
            JOIN theirs l ON l.id = p.line JOIN ours o ON o.id = p.transfer AND o.amount = l.amount"""
    ),
    # What was taken back by ourselves never went anywhere.
    Rule.CORRECTED: """
        SELECT -root AS grp, NULL::bigint AS line, id AS transfer FROM (
            SELECT id, root, sum(amount) OVER family AS sum, bool_or(id = root) OVER family AS whole,
                   bool_or(named) OVER family AS named
            FROM (SELECT id, amount, coalesce(corrects_id, id) AS root,
                         EXISTS (SELECT 1 FROM pairs p WHERE p.transfer = o.id)
                         OR EXISTS (SELECT 1 FROM apart a WHERE a.transfer_id = o.id) AS named
                  FROM ours o
                  WHERE o.corrects_id IS NOT NULL
                     OR o.id IN (SELECT c.corrects_id FROM ours c WHERE c.corrects_id IS NOT NULL)) each
            WINDOW family AS (PARTITION BY root)) families
        WHERE sum = 0 AND whole AND NOT named""",
    # Who names another is not looked for by amount.
    Rule.AMOUNT: _ALONE_ON_BOTH_SIDES.format(
        candidates="""
            SELECT l.id AS line, o.id AS transfer FROM theirs l
            JOIN ours o ON o.ledger_id = l.ledger_id AND o.amount = l.amount
             AND abs((o.at AT TIME ZONE 'UTC')::date - (l.booked_at AT TIME ZONE 'UTC')::date) <= %(days)s
            WHERE NOT EXISTS (SELECT 1 FROM pairs p WHERE p.line = l.id)
              AND NOT EXISTS (SELECT 1 FROM pairs p WHERE p.transfer = o.id)
              AND NOT EXISTS (SELECT 1 FROM apart a JOIN apart b USING (match_id)
                              WHERE a.line_id = l.id AND b.transfer_id = o.id)"""
    ),
    Rule.GROUP: """
        SELECT line AS grp, line, transfer FROM (
            SELECT p.line, p.transfer, l.amount, sum(o.amount) OVER (PARTITION BY p.line) AS sum
            FROM (SELECT *, count(*) OVER (PARTITION BY transfer) AS lines FROM pairs) p
            JOIN theirs l ON l.id = p.line JOIN ours o ON o.id = p.transfer
            WHERE p.lines = 1) g
        WHERE sum = amount""",
}

_FIND = "INSERT INTO found (grp, line, transfer) {rule}"

_MATCH = (
    "ANALYZE pg_temp.found",
    """
    INSERT INTO numbered (grp, match_id)
    SELECT grp, nextval('reconciliation_match_id_seq')
    FROM (SELECT DISTINCT grp FROM found ORDER BY grp) g""",
    "ANALYZE pg_temp.numbered",
    """
    INSERT INTO reconciliation_match (id, source_id, rule, at, reason, actor_id, actor_label)
    SELECT match_id, %(source)s, %(rule)s, %(now)s, '', %(actor)s, %(label)s FROM numbered""",
    """
    INSERT INTO reconciliation_matchleg (match_id, line_id, transfer_id, amount, undone)
    SELECT n.match_id, l.id, NULL, l.amount, false
    FROM (SELECT DISTINCT grp, line FROM found) f
    JOIN numbered n USING (grp) JOIN theirs l ON l.id = f.line
    UNION ALL
    SELECT n.match_id, NULL, o.id, -o.amount, false
    FROM found f JOIN numbered n USING (grp) JOIN ours o ON o.id = f.transfer""",
    "DELETE FROM pairs USING found WHERE pairs.line = found.line",
    "DELETE FROM pairs USING found WHERE pairs.transfer = found.transfer",
    "DELETE FROM theirs USING found WHERE theirs.id = found.line",
    "DELETE FROM ours USING found WHERE ours.id = found.transfer",
)

# What breaks there must be now. A transfer that several lines name belongs to none of them.
_WANTED = """
    CREATE TEMPORARY TABLE wanted ON COMMIT DROP AS
    WITH named AS (
        SELECT p.line, p.transfer FROM pairs p
        JOIN (SELECT transfer FROM pairs GROUP BY transfer HAVING count(*) = 1) once USING (transfer)
    ), sums AS (
        SELECT n.line, array_agg(o.id ORDER BY o.id) AS transfer_ids, sum(o.amount) AS sum
        FROM named n JOIN ours o ON o.id = n.transfer GROUP BY n.line
    )
    SELECT l.ledger_id, CASE WHEN s.line IS NULL THEN 'ours' ELSE 'differs' END AS kind, l.id AS line_id,
           coalesce(s.transfer_ids, '{}') AS transfer_ids, l.amount - coalesce(s.sum, 0) AS amount,
           l.booked_at AS happened_at
    FROM theirs l LEFT JOIN sums s ON s.line = l.id
    UNION ALL
    SELECT o.ledger_id, 'theirs', NULL, ARRAY[o.id], -o.amount, o.at FROM ours o
    WHERE NOT EXISTS (SELECT 1 FROM named n WHERE n.transfer = o.id)
      AND EXISTS (SELECT 1 FROM reconciliation_importedstatement s
                  WHERE s.source_id = %(source)s AND o.at >= s.since AND o.at < s.until)"""

_CLOSE = """
    UPDATE reconciliation_break b SET closed_at = %(now)s, state = CASE WHEN EXISTS (
        SELECT 1 FROM reconciliation_matchleg g
        WHERE NOT g.undone AND (g.line_id = b.line_id OR g.transfer_id = ANY(b.transfer_ids)))
        THEN 'matched' ELSE 'superseded' END
    WHERE b.source_id = %(source)s AND b.state = 'open' AND NOT EXISTS (
        SELECT 1 FROM wanted w WHERE coalesce(w.line_id, 0) = coalesce(b.line_id, 0)
        AND w.transfer_ids = b.transfer_ids AND w.amount = b.amount)"""

# Who looked at the break that this one takes the place of, looks at it.
_OPEN = """
    INSERT INTO reconciliation_break (source_id, ledger_id, kind, line_id, transfer_ids, amount, happened_at,
                                      opened_at, state, assignee_id)
    SELECT %(source)s, w.ledger_id, w.kind, w.line_id, w.transfer_ids, w.amount, w.happened_at, %(now)s,
           'open',
           (SELECT old.assignee_id FROM reconciliation_break old
            WHERE old.source_id = %(source)s AND old.closed_at = %(now)s
              AND (old.line_id = w.line_id OR old.transfer_ids && w.transfer_ids)
            ORDER BY old.id DESC LIMIT 1)
    FROM wanted w
    WHERE NOT EXISTS (
        SELECT 1 FROM reconciliation_break b WHERE b.source_id = %(source)s AND b.state = 'open'
        AND coalesce(b.line_id, 0) = coalesce(w.line_id, 0) AND b.transfer_ids = w.transfer_ids)
    ORDER BY w.happened_at, w.line_id, w.transfer_ids"""


@dataclass(frozen=True, slots=True)
class Settled:
    """How many matches each rule made, and how many breaks were opened and closed."""

    matched: dict[str, int]
    opened: int
    closed: int


def settle(source: StatementSource, *, since: datetime | None, actor: Actor, now: datetime) -> Settled:
    """Match what can be matched, and let the open breaks be what is left.

    Call it with the source's row locked. `since` is the time of the oldest line or transfer that is not in a
    break already and may be unmatched; None where there is none.
    """
    require_transaction()
    ((oldest,),) = fetch(
        "SELECT min(happened_at) FROM reconciliation_break WHERE source_id = %s AND state = 'open'",
        [source.pk],
    )
    times = [moment for moment in (since, oldest) if moment is not None]
    if not times:
        return Settled({}, 0, 0)
    names = {
        "source": source.pk,
        "since": min(times) - _MARGIN,
        "days": source.match_days,
        "now": now,
        "actor": actor.user_id,
        "label": actor.label,
    }
    for statement in _TABLES:
        execute(statement, names)
    matched: dict[str, int] = {}
    # A match can leave another line alone with its transfer: again, until a round finds nothing.
    while found := _round(names):
        for rule, count in found.items():
            matched[rule] = matched.get(rule, 0) + count
    execute(_WANTED, names)
    execute("ANALYZE pg_temp.wanted")
    closed = execute(_CLOSE, names)
    return Settled(matched, execute(_OPEN, names), closed)


def _round(names: dict[str, object]) -> dict[str, int]:
    """Try each rule once; how many matches each made."""
    made = {}
    for rule, sql in _RULES.items():
        execute("TRUNCATE pg_temp.found, pg_temp.numbered")
        if execute(_FIND.format(rule=sql), names):
            for statement in _MATCH:
                execute(statement, names | {"rule": rule.value})
            ((made[rule.value],),) = fetch("SELECT count(*) FROM numbered")
    return made
