"""A bank for demonstrations: its statement knows two of the opening deposits, and of the third a fee less."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal

from accounts.models import LedgerKind, Transfer
from accounts.reconciliation.models import SourceLedger, StatementSource
from accounts.reconciliation.services.importing import Terms, import_statement
from accounts.reconciliation.services.sources import add_source
from accounts.services.opening import opening_request_id
from audit.actor import Actor
from instruments.scaling import short_text
from tradeplatform.common.db import require_transaction

NAME = "demo-bank-usd"
_ASSET = "USD"
_ACCOUNTS = ("ACC-000001", "ACC-000002", "ACC-000003")
_FEE = Decimal(25)


def seed_bank(*, actor: Actor, now: datetime) -> int:
    """Add the bank and its statement where there is no such source; returns how many were added.

    Must run alone, in a transaction, after the opening deposits.
    """
    require_transaction()
    taken = SourceLedger.objects.filter(ledger__kind=LedgerKind.FUNDING, ledger__asset__code=_ASSET)
    if taken.exists() or StatementSource.objects.filter(name=NAME).exists():
        return 0
    ids = [opening_request_id(number, _ASSET) for number in _ACCOUNTS]
    deposits = {row.request_id: row for row in _deposits(ids)}
    if len(deposits) < len(ids):
        return 0
    source = add_source(
        name=NAME,
        kind=LedgerKind.FUNDING,
        assets=[_ASSET],
        values={
            "counterparty": "Demo Bank",
            "reference_column": "reference",
            "date_column": "date",
            "amount_column": "amount",
            "our_reference_column": "our reference",
            "text_column": "text",
        },
        reason="Demonstration",
        actor=actor,
        now=now,
    )
    rows = ["reference,date,amount,our reference,text"]
    for place, request_id in enumerate(ids, start=1):
        transfer = deposits[request_id]
        fee = _FEE if place == len(ids) else Decimal(0)
        text = "Incoming wire less charges" if fee else "Incoming wire"
        day = f"{transfer.at.astimezone(UTC):%Y-%m-%d}"
        rows.append(f"DB-{place:04},{day},{short_text(transfer.amount - fee)},{request_id},{text}")
    import_statement(
        source_id=source.pk,
        file=io.BytesIO("\n".join(rows).encode()),
        file_name="demo-bank.csv",
        terms=Terms(),
        reason="Demonstration",
        actor=actor,
        now=now,
    )
    return 1


def _deposits(request_ids: list[str]) -> list[Transfer]:
    """The transfers of these requests."""
    return list(
        Transfer.objects.raw(
            "SELECT t.* FROM accounts_fundingrequest r JOIN accounts_transfer t"
            " ON t.id = r.transfer_id AND t.at = r.at WHERE r.request_id = ANY(%s)",
            [request_ids],
        )
    )
