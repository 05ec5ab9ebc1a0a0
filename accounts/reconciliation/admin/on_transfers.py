"""What reconciliation adds to a transfer's page: what the bank says of it."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest

from accounts.admin.transfers import TransferAdmin
from accounts.models import Transfer
from accounts.reconciliation.admin import show as words
from accounts.reconciliation.models import Break, BreakState, MatchLeg, SourceLedger
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Panel, Table, columns
from tradeplatform.common.admin.show import Tone


def panels(request: HttpRequest, transfer: Transfer) -> Iterable[Panel]:
    """Its matches and its open break, where one of its sides is reconciled with somebody."""
    if not request.user.has_perm("reconciliation.view_match"):
        return
    if not SourceLedger.objects.filter(ledger__in=[transfer.debit_id, transfer.credit_id]).exists():
        return
    legs = MatchLeg.objects.filter(transfer_id=transfer.pk).select_related("match__source").order_by("-pk")
    still = Break.objects.filter(state=BreakState.OPEN, transfer_ids__contains=[transfer.pk])
    rows = [
        [
            show.ref(leg.match),
            leg.match.get_rule_display(),
            show.ref(leg.match.source),
            show.badge("Undone") if leg.undone else show.badge("Stands", Tone.GOOD),
        ]
        for leg in legs
    ]
    rows += [
        [show.ref(found), words.kind(found), show.ref(found.source), words.state(found)]
        for found in still.select_related("source")
    ]
    yield Table(
        "Reconciliation",
        columns("What", "How", "Source", "State"),
        rows,
        empty="No statement speaks of it yet.",
    )


TransferAdmin.more_panels = [*TransferAdmin.more_panels, panels]
