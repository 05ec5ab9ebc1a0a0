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
        'instruments_datedquote', 'accounts_deal', 'accounts_dealrequest', 'accounts_swapcharge',
        'audit_approvaldecision', 'history_externaltrade',
        'history_externaltradeidentity', 'history_refusedtrade', 'history_correction',
        'history_frozenperiod', 'accounts_closedmonth', 'accounts_closingbalance',
        'accounts_proofrun', 'reconciliation_importedstatement', 'reconciliation_statementbalance',
        'reconciliation_statementline', 'reconciliation_match', 'reconciliation_undoing',
        'reconciliation_reconciliationrun']::regclass[]) AS fact,
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
    "The whole ledger of each realm, live and demo, sums to zero in every asset",
    examined="SELECT count(DISTINCT (asset_id, realm)) FROM accounts_ledgeraccount",
    breaches="""
        SELECT a.code AS asset, l.realm, sum(l.balance) AS sum FROM accounts_ledgeraccount l
        JOIN instruments_asset a ON a.id = l.asset_id GROUP BY a.code, l.realm HAVING sum(l.balance) <> 0""",
)

sql_invariant(
    "iM3",
    "All that is not the outside world's = deposits - withdrawals, less what was corrected or written off",
    examined="SELECT count(DISTINCT (asset_id, realm)) FROM accounts_ledgeraccount",
    breaches="""
        SELECT a.code AS asset, inside.realm, inside.sum AS inside, coalesce(outside.sum, 0) AS outside
        FROM (SELECT asset_id, realm, sum(balance) FROM accounts_ledgeraccount WHERE kind <> 'funding'
              GROUP BY asset_id, realm) inside
        JOIN instruments_asset a ON a.id = inside.asset_id
        LEFT JOIN (SELECT t.asset_id, t.realm, sum(CASE WHEN t.kind = 'deposit' OR t.debit_id = f.id
                                                        THEN amount ELSE -amount END)
                   FROM accounts_transfer t
                   JOIN accounts_ledgeraccount f
                       ON f.kind = 'funding' AND f.asset_id = t.asset_id AND f.realm = t.realm
                   WHERE t.kind IN ('deposit', 'withdrawal')
                      OR (t.kind IN ('correction', 'write_off') AND f.id IN (t.debit_id, t.credit_id))
                   GROUP BY t.asset_id, t.realm) outside
            ON outside.asset_id = inside.asset_id AND outside.realm = inside.realm
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
    "iM4-time",
    "Along each ledger account times never run backwards, and no later one could be earlier",
    examined=_TRANSFERS,
    breaches="""
        SELECT chain.ledger AS ledger_account, chain.id AS transfer, chain.at, chain.before
        FROM (SELECT ledger, id, at, lag(at) OVER (PARTITION BY ledger ORDER BY id) AS before,
                     lead(id) OVER (PARTITION BY ledger ORDER BY id) IS NULL AS is_last
              FROM (SELECT credit_id AS ledger, id, at FROM accounts_transfer
                    UNION ALL SELECT debit_id, id, at FROM accounts_transfer) legs) chain
        JOIN accounts_ledgeraccount l ON l.id = chain.ledger
        WHERE chain.at < chain.before OR (chain.is_last AND (l.moved_at < chain.at OR l.moved_at IS NULL))""",
)

sql_invariant(
    "iM4-closing",
    "Each closing balance adds up from its month's transfers and continues the last; months have no gap",
    examined="SELECT count(*) FROM accounts_closingbalance",
    breaches="""
        SELECT coalesce(c.month, t.month)::text AS month, coalesce(c.ledger_id, t.ledger) AS ledger_account,
               c.opening, c.credited, c.debited, c.closing
        FROM (SELECT *, coalesce(lag(closing) OVER (PARTITION BY ledger_id ORDER BY month), 0) AS before
              FROM accounts_closingbalance) c
        FULL JOIN (
            SELECT ledger, date_trunc('month', at AT TIME ZONE 'UTC')::date AS month,
                   sum(credited) AS credited, sum(debited) AS debited
            FROM (SELECT credit_id AS ledger, at, amount AS credited, 0 AS debited FROM accounts_transfer
                  UNION ALL SELECT debit_id, at, 0, amount FROM accounts_transfer) legs
            WHERE at < (SELECT (max(month) + interval '1 month') AT TIME ZONE 'UTC' FROM accounts_closedmonth)
            GROUP BY 1, 2) t ON t.ledger = c.ledger_id AND t.month = c.month
        WHERE c.month IS NULL OR t.month IS NULL OR c.opening <> c.before OR c.credited <> t.credited
           OR c.debited <> t.debited OR c.closing <> c.opening + c.credited - c.debited
        UNION ALL
        SELECT month::text, NULL, NULL, NULL, NULL, NULL FROM (
            SELECT month, lag(month) OVER (ORDER BY month) AS before FROM accounts_closedmonth) m
        WHERE before + interval '1 month' <> month""",
)

sql_invariant(
    "iM5",
    "No client has less than nothing available, no credit is below zero, and no hold is negative",
    examined=_LEDGERS,
    breaches="""
        SELECT id AS ledger_account, balance, held FROM accounts_ledgeraccount
        WHERE held < 0 OR (kind IN ('client', 'credit') AND balance < held)
           OR (kind <> 'client' AND held <> 0)""",
)

sql_invariant(
    "iM6-entry",
    "The legs of an entry begin with its first transfer, at the same time and for the same trade",
    examined=_TRANSFERS,
    breaches="""
        SELECT t.id AS transfer, t.entry_id AS entry FROM accounts_transfer t
        LEFT JOIN accounts_transfer f ON f.id = t.entry_id AND f.at = t.at AND f.entry_id = f.id
        WHERE t.entry_id <> t.id AND (f.id IS NULL OR f.trade_id IS DISTINCT FROM t.trade_id)
        UNION ALL
        SELECT max(id), min(entry_id) FROM accounts_transfer
        WHERE trade_id IS NOT NULL AND kind <> 'correction'
        GROUP BY trade_id HAVING min(entry_id) <> max(entry_id)""",
)

sql_invariant(
    "iM6-correction",
    "Every correction is its original the other way round, and no transfer is corrected beyond its amount",
    examined="SELECT count(*) FROM accounts_transfer WHERE corrects_id IS NOT NULL",
    breaches="""
        SELECT c.corrects_id AS transfer, max(c.id) AS last_correction, max(t.amount) AS amount,
               sum(c.amount) AS corrected
        FROM accounts_transfer c LEFT JOIN accounts_transfer t ON t.id = c.corrects_id AND t.id < c.id
            AND t.asset_id = c.asset_id AND t.debit_id = c.credit_id AND t.credit_id = c.debit_id
        WHERE c.corrects_id IS NOT NULL
        GROUP BY c.corrects_id HAVING bool_or(t.id IS NULL) OR sum(c.amount) > max(t.amount)""",
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
    "iW1",
    "No transfer crosses the wall between demo and live money",
    examined=_TRANSFERS,
    breaches="""
        SELECT t.id AS transfer, t.realm, d.realm AS debit_realm, c.realm AS credit_realm
        FROM accounts_transfer t JOIN accounts_ledgeraccount d ON d.id = t.debit_id
        JOIN accounts_ledgeraccount c ON c.id = t.credit_id
        WHERE t.realm <> d.realm OR t.realm <> c.realm""",
)

sql_invariant(
    "iW2",
    "The ledger accounts of demo accounts, and no others of clients, are on the demo side of the wall",
    examined="SELECT count(*) FROM accounts_ledgeraccount WHERE account_id IS NOT NULL",
    breaches="""
        SELECT l.id AS ledger_account, a.type, l.realm FROM accounts_ledgeraccount l
        JOIN accounts_tradingaccount a ON a.id = l.account_id
        WHERE (a.type = 'demo') <> (l.realm = 'demo')""",
)

sql_invariant(
    "iA7",
    "Every reset that is done moved play money alone, under its own request and at its time",
    examined="SELECT count(*) FROM accounts_demoreset",
    breaches="""
        SELECT t.id AS transfer, r.id AS reset FROM accounts_transfer t
        LEFT JOIN accounts_demoreset r ON r.identity_id = t.request_id AND r.state = 'done'
            AND r.closed_at = t.at AND r.entry_id = t.entry_id
        WHERE t.kind = 'reset' AND (r.id IS NULL OR t.realm <> 'demo')
        UNION ALL
        SELECT NULL, r.id FROM accounts_demoreset r
        WHERE r.entry_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM accounts_transfer t WHERE t.id = r.entry_id AND t.kind = 'reset')""",
)

_BY_REQUEST = """('deposit', 'withdrawal', 'adjustment', 'correction', 'credit', 'bonus', 'internal',
    'write_off')"""

sql_invariant(
    "iA2-money",
    "Every transfer that somebody asked for has its request and an audit record: who and why",
    examined=f"SELECT count(*) FROM accounts_transfer WHERE kind IN {_BY_REQUEST}",
    breaches=f"""
        SELECT t.id AS transfer FROM accounts_transfer t
        WHERE t.kind IN {_BY_REQUEST} AND NOT (
            EXISTS (SELECT 1 FROM accounts_fundingrequest r
                    LEFT JOIN accounts_moneyrequest m ON m.identity_id = r.request_id
                    WHERE r.request_id = t.request_id AND t.id IN (r.transfer_id, m.transfer_id))
            AND EXISTS (SELECT 1 FROM audit_auditrecord a
                        WHERE a.action = 'accounts.money.' || t.kind AND a.at = t.at AND a.reason <> ''
                        AND (a.after ->> 'transfer')::bigint = t.id))""",
)

sql_invariant(
    "iA6",
    "Every money request stands where its approval stands; what is done has its transfer, and no other has",
    examined="SELECT count(*) FROM accounts_moneyrequest",
    breaches="""
        SELECT m.id AS money_request, m.state, a.state AS approval, t.id AS transfer
        FROM accounts_moneyrequest m
        LEFT JOIN audit_approvalrequest a ON a.id = m.approval_id
        LEFT JOIN accounts_transfer t ON t.id = m.transfer_id AND t.at = m.closed_at
            AND t.request_id = m.identity_id AND t.asset_id = m.asset_id AND t.amount = abs(m.amount)
        WHERE (a.id IS NOT NULL AND m.state <> CASE a.state WHEN 'pending' THEN 'requested' ELSE a.state END)
           OR (m.state = 'done') <> (t.id IS NOT NULL)""",
)

# Approval requests that are done and that as many as were needed, none of them the maker, have agreed to.
_AGREED = """
    SELECT a.id, a.action, a.request_id, a.maker_id FROM audit_approvalrequest a
    WHERE a.state = 'done' AND a.needed <= (SELECT count(*) FROM audit_approvaldecision d
        WHERE d.request_id = a.id AND d.approved AND d.checker_id <> a.maker_id)"""

# Few of many: corrections by the index of what they correct, write-offs by the two sides of suspense.
_BY_TWO = """
    SELECT id, request_id, actor_id, 'accounts.money.correction' AS action
    FROM accounts_transfer WHERE corrects_id IS NOT NULL
    UNION ALL
    SELECT t.id, t.request_id, t.actor_id, 'reconciliation.break.write_off' FROM accounts_ledgeraccount s,
    LATERAL (SELECT * FROM accounts_transfer WHERE debit_id = s.id
             UNION ALL SELECT * FROM accounts_transfer WHERE credit_id = s.id) t
    WHERE s.kind = 'suspense' AND t.kind = 'write_off'"""

# What people did to people, policies and limits; by target, which is an index of the records. About staff
# is what concerns somebody who was staff then and still is, or a staff role.
_RECORDED = """
    SELECT r.id, r.action, r.actor_id, r.after FROM audit_auditrecord r
    WHERE r.actor_kind = 'user'
      AND r.target_type IN ('accounts.user', 'accounts.kyclimit', 'audit.approvalpolicy')
      AND (r.action IN ('accounts.user.identity', 'accounts.limit.change', 'audit.policy.add',
                        'audit.policy.change')
           OR (r.action = 'accounts.role.grant' AND r.after ->> 'role' NOT IN ('user', 'trader'))
           OR (r.action IN ('accounts.user.set_password', 'accounts.second_factor.reset',
                            'accounts.user.activate')
               AND EXISTS (SELECT 1 FROM accounts_userrole h WHERE h.user_id::text = r.target_id
                           AND h.role NOT IN ('user', 'trader') AND h.granted_at <= r.at)))"""

sql_invariant(
    "iA8",
    "All that always takes two people has its approval, done, that others than its maker have agreed to",
    examined=f"""
        SELECT (SELECT count(*) FROM ({_BY_TWO}) AS t) + (SELECT count(*) FROM ({_RECORDED}) AS r) AS n""",
    breaches=f"""
        SELECT t.id AS transfer, NULL::bigint AS audit_record FROM ({_BY_TWO}) AS t
        LEFT JOIN ({_AGREED}) AS g
            ON g.action = t.action AND g.request_id = t.request_id AND g.maker_id = t.actor_id
        WHERE g.id IS NULL
        UNION ALL
        SELECT NULL, r.id FROM ({_RECORDED}) AS r
        LEFT JOIN ({_AGREED}) AS g ON g.id = (r.after ->> 'approval')::bigint AND g.action = r.action
            AND g.maker_id <> r.actor_id
        WHERE g.id IS NULL""",
)

sql_invariant(
    "iK1",
    "Every living HMAC key has one living secret of its owner's, and no other key has one",
    examined="SELECT count(*) FROM accounts_apikey",
    breaches="""
        SELECT coalesce(k.key_id, s.name) AS api_key, s.id AS secret
        FROM (SELECT k.key_id, 'accounts.user:' || a.user_id AS owner FROM accounts_apikey k
              JOIN accounts_tradingaccount a ON a.id = k.account_id
              WHERE k.kind = 'hmac' AND k.revoked_at IS NULL) k
        FULL JOIN (SELECT id, name, owner FROM accounts_secret
                   WHERE purpose = 'api_key' AND destroyed_at IS NULL) s
            ON s.name = k.key_id AND s.owner = k.owner
        WHERE k.key_id IS NULL OR s.id IS NULL""",
)
