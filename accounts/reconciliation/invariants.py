"""What must hold of reconciliation: nothing is matched twice or unevenly, and nothing vanishes unsaid."""

from __future__ import annotations

from tradeplatform.common.invariants import sql_invariant

sql_invariant(
    "iR1-even",
    "The two sides of every match come to the same, each leg is its line or transfer, of one ledger account",
    examined="SELECT count(*) FROM reconciliation_match",
    breaches="""
        SELECT m.id AS match, sum(g.amount) AS difference, count(g.id) AS legs
        FROM reconciliation_match m
        LEFT JOIN reconciliation_matchleg g ON g.match_id = m.id
        LEFT JOIN reconciliation_statementline l ON l.id = g.line_id
        LEFT JOIN accounts_transfer t ON t.id = g.transfer_id
        LEFT JOIN reconciliation_sourceledger s ON s.source_id = m.source_id
            AND (s.ledger_id = l.ledger_id OR s.ledger_id IN (t.debit_id, t.credit_id))
        GROUP BY m.id
        HAVING coalesce(sum(g.amount), 1) <> 0 OR count(g.id) < 2 OR count(DISTINCT s.ledger_id) <> 1
            OR bool_or(g.amount IS DISTINCT FROM CASE
                WHEN g.line_id IS NOT NULL THEN l.amount
                WHEN t.debit_id = s.ledger_id THEN -t.amount ELSE t.amount END)""",
)

sql_invariant(
    "iR1-once",
    "No line and no transfer is matched twice; a match is undone whole, by a person who said why",
    examined="SELECT count(*) FROM reconciliation_matchleg",
    breaches="""
        SELECT line_id AS line, transfer_id AS transfer, NULL::bigint AS match FROM reconciliation_matchleg
        WHERE NOT undone GROUP BY line_id, transfer_id HAVING count(*) > 1
        UNION ALL
        SELECT g.line_id, g.transfer_id, g.match_id FROM reconciliation_matchleg g
        LEFT JOIN reconciliation_undoing u ON u.match_id = g.match_id AND u.reason <> ''
        WHERE g.undone <> (u.match_id IS NOT NULL)""",
)

sql_invariant(
    "iR2-lines",
    "Every line is matched or in one open break",
    examined="SELECT count(*) FROM reconciliation_statementline",
    breaches="""
        SELECT l.id AS line, count(b.id) AS breaks FROM reconciliation_statementline l
        LEFT JOIN reconciliation_matchleg g ON g.line_id = l.id AND NOT g.undone
        LEFT JOIN reconciliation_break b ON b.line_id = l.id AND b.state = 'open'
        GROUP BY l.id HAVING (count(g.id) > 0) = (count(b.id) > 0)""",
)

sql_invariant(
    "iR2-transfers",
    "Every transfer in a time that a statement speaks of is matched or in one open break",
    examined="""
        SELECT count(*) FROM reconciliation_sourceledger s
        JOIN accounts_transfer t ON s.ledger_id IN (t.debit_id, t.credit_id)""",
    breaches="""
        SELECT t.id AS transfer FROM reconciliation_sourceledger s
        JOIN accounts_transfer t ON s.ledger_id IN (t.debit_id, t.credit_id)
        WHERE EXISTS (SELECT 1 FROM reconciliation_importedstatement i
                      WHERE i.source_id = s.source_id AND t.at >= i.since AND t.at < i.until)
          AND NOT EXISTS (SELECT 1 FROM reconciliation_matchleg g
                          WHERE g.transfer_id = t.id AND NOT g.undone)
          AND (SELECT count(*) FROM reconciliation_break b
               WHERE b.state = 'open' AND t.id = ANY(b.transfer_ids)) <> 1""",
)

sql_invariant(
    "iR3",
    "A break that was written off has one transfer of its amount with suspense, and an approval that is done",
    examined="SELECT count(*) FROM reconciliation_break WHERE state = 'written_off'",
    breaches="""
        SELECT b.id AS break, t.id AS transfer FROM reconciliation_break b
        LEFT JOIN accounts_transfer t ON t.id = b.write_off_id
        LEFT JOIN audit_approvalrequest a ON a.id = b.approval_id
        LEFT JOIN accounts_ledgeraccount s
            ON s.kind = 'suspense' AND s.asset_id = t.asset_id AND s.realm = t.realm
        WHERE b.state = 'written_off' AND (t.id IS NULL OR t.kind <> 'write_off' OR a.state <> 'done'
            OR t.amount <> abs(b.amount) OR a.request_id <> t.request_id OR t.at <> b.closed_at
            OR (t.debit_id, t.credit_id) IS DISTINCT FROM
               CASE WHEN b.amount > 0 THEN (b.ledger_id, s.id) ELSE (s.id, b.ledger_id) END)
        UNION ALL
        SELECT b.id, t.id FROM accounts_transfer t
        LEFT JOIN reconciliation_break b ON b.write_off_id = t.id
        WHERE t.kind = 'write_off' AND b.id IS NULL""",
)
