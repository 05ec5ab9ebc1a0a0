"""What must hold of approvals: nothing was done with fewer people than it needed, or too late."""

from __future__ import annotations

from tradeplatform.common.invariants import sql_invariant

sql_invariant(
    "iA5",
    "What was approved had all its approvals in time and no rejection; what was rejected had one",
    examined="SELECT count(*) FROM audit_approvalrequest",
    breaches="""
        SELECT r.id AS approval, r.state, d.yes, d.no, r.needed FROM audit_approvalrequest r
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE approved) AS yes, count(*) FILTER (WHERE NOT approved) AS no,
                   count(*) FILTER (WHERE at >= r.expires_at OR at > r.closed_at) AS late
            FROM audit_approvaldecision WHERE request_id = r.id) d
        WHERE d.late > 0 OR d.yes > r.needed OR d.no > 1
           OR (r.state = 'done') <> (d.yes = r.needed AND d.no = 0)
           OR (r.state = 'rejected') <> (d.no = 1)""",
)
