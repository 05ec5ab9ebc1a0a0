"""What must hold of dealing: positions are the fold of their deals, and deals moved exactly their money."""

from __future__ import annotations

from tradeplatform.common.invariants import sql_invariant

_DEALS = "SELECT count(*) FROM accounts_deal"
_POSITIONS = "SELECT count(*) FROM accounts_position"

sql_invariant(
    "iP1",
    "Every position is the fold of its deals: volume, cost, realised P&L, swap, commission",
    examined=_POSITIONS,
    breaches="""
        SELECT p.id AS position, p.volume, f.volume AS folded FROM accounts_position p LEFT JOIN (
            SELECT position_id, sum(CASE kind WHEN 'open' THEN volume ELSE -volume END) AS volume,
                   sum(cost) AS cost, sum(pnl) AS pnl, sum(swap) AS swap, sum(commission) AS commission
            FROM accounts_deal GROUP BY position_id) f ON f.position_id = p.id
        WHERE (p.volume, p.cost, p.pnl, p.swap, p.commission)
            IS DISTINCT FROM (f.volume, f.cost, f.pnl, f.swap, f.commission)""",
)

sql_invariant(
    "iP2",
    "What deals realised, charged and paid is what the ledger moved for them, account by account",
    examined=_DEALS,
    breaches="""
        SELECT coalesce(d.account_id, t.account_id) AS account, coalesce(d.kind, t.kind) AS kind,
               d.sum AS dealt, t.sum AS moved
        FROM (SELECT account_id, m.kind, sum(m.amount) FROM accounts_deal CROSS JOIN LATERAL (
                  VALUES ('deal_pnl', pnl), ('swap', swap), ('commission', -commission)) AS m(kind, amount)
              GROUP BY account_id, m.kind HAVING sum(m.amount) <> 0) d
        FULL JOIN (
            SELECT l.account_id, t.kind,
                   sum(CASE WHEN t.credit_id = l.id THEN t.amount ELSE -t.amount END) AS sum
            FROM accounts_transfer t JOIN accounts_ledgeraccount l ON l.id IN (t.debit_id, t.credit_id)
            WHERE t.kind IN ('deal_pnl', 'swap', 'commission') AND l.kind = 'client'
            GROUP BY l.account_id, t.kind
            HAVING sum(CASE WHEN t.credit_id = l.id THEN t.amount ELSE -t.amount END) <> 0) t
            ON t.account_id = d.account_id AND t.kind = d.kind
        WHERE d.sum IS DISTINCT FROM t.sum""",
)

sql_invariant(
    "iP3",
    "A close realised the difference of its prices, converted at its rate to the currency's unit",
    examined="SELECT count(*) FROM accounts_deal WHERE kind NOT IN ('open', 'swap')",
    breaches="""
        SELECT d.id AS deal, d.profit, d.pnl FROM accounts_deal d
        JOIN accounts_tradingaccount a ON a.id = d.account_id JOIN instruments_asset c ON c.id = a.currency_id
        WHERE d.kind NOT IN ('open', 'swap') AND (
            (d.kind <> 'close_by' AND d.profit <> (d.price * d.volume + d.cost) * d.contract_size
                * CASE WHEN d.buys THEN -1 ELSE 1 END)
            OR abs(d.pnl - d.profit * d.rate) > 0.5 * power(10::numeric, -c.decimals))""",
)

sql_invariant(
    "iP4",
    "Every night's swap is one deal, and every swap deal one night's",
    examined="SELECT count(*) FROM accounts_swapcharge",
    breaches="""
        SELECT s.id AS charge, d.id AS deal FROM accounts_swapcharge s
        FULL JOIN (SELECT id, at, position_id FROM accounts_deal WHERE kind = 'swap') d
            ON d.id = s.deal_id AND d.at = s.at AND d.position_id = s.position_id
        WHERE s.id IS NULL OR d.id IS NULL""",
)

sql_invariant(
    "iP5",
    "An account without open positions reserves nothing",
    examined="SELECT count(*) FROM accounts_ledgeraccount WHERE reserved <> 0",
    breaches="""
        SELECT id AS ledger_account, reserved FROM accounts_ledgeraccount l
        WHERE reserved <> 0 AND NOT EXISTS (
            SELECT 1 FROM accounts_position p WHERE p.account_id = l.account_id AND p.closed_at IS NULL)""",
)

sql_invariant(
    "iP6",
    "Every request to deal has exactly its deals",
    examined="SELECT count(*) FROM accounts_dealrequest",
    breaches="""
        SELECT coalesce(r.request_id, d.request_id) AS request, r.deals, d.count FROM accounts_dealrequest r
        FULL JOIN (SELECT account_id, request_id, count(*), min(id) AS first FROM accounts_deal
                   WHERE request_id <> '' GROUP BY account_id, request_id) d USING (account_id, request_id)
        WHERE r.id IS NULL OR r.deals <> coalesce(d.count, 0)
            OR r.first_deal_id IS DISTINCT FROM d.first""",
)

sql_invariant(
    "iW4",
    "No real money was dealt at the prices of a demo instrument",
    examined=_DEALS,
    breaches="""
        SELECT d.id AS deal FROM accounts_deal d JOIN accounts_tradingaccount a ON a.id = d.account_id
        JOIN instruments_instrument i ON i.id = d.instrument_id
        WHERE i.realm = 'demo' AND a.realm <> 'demo'""",
)
