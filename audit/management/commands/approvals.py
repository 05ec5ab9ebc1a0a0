"""`manage.py approvals`: what waits for a second person, the oldest first."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count, Q
from django.utils import timezone
from rich.table import Table

from audit.approvable import act_of
from audit.models import ApprovalRequest
from audit.selectors import waiting
from audit.services.approving import expire_due
from tradeplatform.common.admin.show import age
from tradeplatform.common.console import output
from tradeplatform.common.times import rfc3339


class Command(BaseCommand):
    """A thin door to audit.selectors and, with --expire, to audit.services.approving."""

    help = "List the acts that wait for approval. Approving and rejecting is done in the admin, by people."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        parser.add_argument("--json", action="store_true", help="print them as JSON")
        parser.add_argument("--limit", type=int, default=100, help="at most so many (default 100)")
        parser.add_argument("--expire", action="store_true", help="first end those whose time is over")

    def handle(self, *_args: Any, **options: Any) -> None:
        """List what waits."""
        now = timezone.now()
        expired = expire_due(now=now) if options["expire"] else []
        given = Count("decisions", filter=Q(decisions__approved=True))
        rows = list(waiting(now=now).annotate(given=given)[: max(options["limit"], 0)])
        if options["json"]:
            report = {"expired": expired, "waiting": [_json(row) for row in rows]}
            self.stdout.write(json.dumps(report, indent=2))
            return
        table = Table("Approval", "Act", "On what", "Amount", "Asked by", "Age", "Approvals", "Role")
        for row in rows:
            amount = "" if row.amount is None else f"{row.amount.normalize():f} {row.asset}"
            table.add_row(
                str(row.pk),
                act_of(row.action).title,
                row.target_label,
                amount,
                row.maker_label,
                age(row.created_at, now),
                f"{row.given} of {row.needed}",
                row.role,
            )
        console = output(options)
        console.print(table)
        if options["expire"]:
            console.print(f"Expired: {len(expired)}")


def _json(row: ApprovalRequest) -> dict[str, Any]:
    return {
        "id": row.pk,
        "action": row.action,
        "target": f"{row.target_type}:{row.target_id}",
        "target_label": row.target_label,
        "amount": None if row.amount is None else f"{row.amount.normalize():f}",
        "asset": row.asset or None,
        "maker": row.maker_label,
        "reason": row.reason,
        "effects": row.effects,
        "approvals": row.given,  # type: ignore[attr-defined]
        "needed": row.needed,
        "role": row.role,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
    }
