"""What must hold of money: the ledger balances, folds to its transfers, and never owes a client."""

# ruff: noqa: S608 - queries are put together from the constants of this file

from __future__ import annotations

from tradeplatform.common.invariants import sql_invariant

_TRANSFERS = "SELECT count(*) FROM accounts_transfer"
_LEDGERS = "SELECT count(*) FROM accounts_ledgeraccount"

# Tables of facts, each with its partitions: a trigger can be missing or disabled on one of them alone.
_FACT_TABLES = """
    SELECT tree.relid FROM unnest(ARRAY['accounts_transfer', 'accounts_fundingrequest', 'orders_event',
        'orders_trade', 'orders_fill', 'orders_orderidentity', 'audit_auditrecord',
        'instruments_datedquote', 'audit_approvaldecision']::regclass[]) AS fact,
    LATERAL (SELECT fact::oid UNION SELECT relid FROM pg_partition_tree(fact)) AS tree(relid)"""

sql_invariant(
    "iM1",
    "Both sides of every transfer are accounts of its asset, and differ",
    examined=_TRANSFERS,
    breaches="""
        SELECT t.id FROM accounts_transfer t
        LEFT JOIN accounts_ledgeraccount d ON d.id = t.debit_id AND d.asset_id = t.asset_id
        LEFT JOIN accounts_ledgeraccount c ON c.id = t.credit_id AND c.asset_id = t.asset_id
        WHERE d.id IS NULL OR c.id IS NULL OR t.debit_id = t.credit_id OR t.amount <= 0""",
)

sql_invariant(
    "iM2",
    "The whole ledger sums to zero in every asset",
    examined="SELECT count(DISTINCT asset_id) FROM accounts_ledgeraccount",
    breaches="""
        SELECT a.code AS asset, sum(l.balance) AS sum FROM accounts_ledgeraccount l
        JOIN instruments_asset a ON a.id = l.asset_id GROUP BY a.code HAVING sum(l.balance) <> 0""",
)

sql_invariant(
    "iM3",
    "Clients + fees + rounding + house + suspense = deposits - withdrawals, in every asset",
    examined="SELECT count(DISTINCT asset_id) FROM accounts_ledgeraccount",
    breaches="""
        SELECT a.code AS asset, inside.sum AS inside, coalesce(outside.sum, 0) AS outside
        FROM (SELECT asset_id, sum(balance) FROM accounts_ledgeraccount WHERE kind <> 'funding'
              GROUP BY asset_id) inside
        JOIN instruments_asset a ON a.id = inside.asset_id
        LEFT JOIN (SELECT asset_id, sum(CASE kind WHEN 'deposit' THEN amount ELSE -amount END)
                   FROM accounts_transfer WHERE kind IN ('deposit', 'withdrawal') GROUP BY asset_id) outside
            ON outside.asset_id = inside.asset_id
        WHERE inside.sum <> coalesce(outside.sum, 0)""",
)

sql_invariant(
    "iM4-balance",
    "Every stored balance is the fold of its transfers",
    examined=_LEDGERS,
    breaches="""
        SELECT l.id AS ledger_account, l.balance AS stored, coalesce(f.sum, 0) AS folded
        FROM accounts_ledgeraccount l LEFT JOIN (
            SELECT id, sum(change) FROM (
                SELECT credit_id AS id, amount AS change FROM accounts_transfer
                UNION ALL SELECT debit_id, -amount FROM accounts_transfer) legs GROUP BY id) f ON f.id = l.id
        WHERE l.balance <> coalesce(f.sum, 0)""",
)

sql_invariant(
    "iM4-chain",
    "Along each ledger account, balance before + change = balance after",
    examined=_TRANSFERS,
    breaches="""
        SELECT ledger_account, transfer, before, change, after FROM (
            SELECT ledger AS ledger_account, id AS transfer, change, after,
                   coalesce(lag(after) OVER (PARTITION BY ledger ORDER BY id), 0) AS before
            FROM (SELECT credit_id AS ledger, id, amount AS change, credit_balance_after AS after
                  FROM accounts_transfer
                  UNION ALL
                  SELECT debit_id, id, -amount, debit_balance_after FROM accounts_transfer) legs) chain
        WHERE before + change <> after""",
)

sql_invariant(
    "iM5",
    "No client has less than nothing available, and no hold is negative",
    examined=_LEDGERS,
    breaches="""
        SELECT id AS ledger_account, balance, held FROM accounts_ledgeraccount
        WHERE held < 0 OR (kind = 'client' AND balance < held) OR (kind <> 'client' AND held <> 0)""",
)

sql_invariant(
    "iM8",
    "The database itself refuses to change facts: every append-only trigger is there and enabled",
    examined=f"SELECT count(*) FROM ({_FACT_TABLES}) AS facts",
    breaches=f"""
        SELECT relid::regclass::text AS table_without_trigger FROM ({_FACT_TABLES}) AS facts
        WHERE NOT EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = facts.relid
            AND t.tgenabled IN ('O', 'A') AND t.tgname LIKE 'pgtrigger_append_only%%')""",
)

sql_invariant(
    "iA2-money",
    "Every deposit, withdrawal and adjustment has its request and an audit record with who and why",
    examined="SELECT count(*) FROM accounts_transfer WHERE kind IN ('deposit', 'withdrawal', 'adjustment')",
    breaches="""
        SELECT t.id AS transfer FROM accounts_transfer t
        WHERE t.kind IN ('deposit', 'withdrawal', 'adjustment') AND NOT (
            EXISTS (SELECT 1 FROM accounts_fundingrequest r
                    WHERE r.request_id = t.request_id AND r.transfer_id = t.id)
            AND EXISTS (SELECT 1 FROM audit_auditrecord a
                        WHERE a.action = 'accounts.money.' || t.kind AND a.at = t.at AND a.reason <> ''
                        AND (a.after ->> 'transfer')::bigint = t.id))""",
)
