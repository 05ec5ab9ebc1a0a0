"""A ledger with a past: transfers at chosen moments, through the ledger's only writer."""

# ruff: noqa: S608 - names of our own

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from accounts.models import LedgerAccount, LedgerKind, TradingAccount, TransferKind
from accounts.services.posting import Cause, Ledger
from instruments.models import Asset


def move(account: TradingAccount, asset: Asset, amount: str | int, at: datetime, reason: str = "test") -> int:
    """Bring in (or, below zero, take out) an amount; the transfer's id."""
    with transaction.atomic():
        ledger = Ledger.lock(clients=[(account.id, asset.id)], system=[(LedgerKind.FUNDING, asset.id)])
        client, outside = ledger.client(account.id, asset.id), ledger.system(LedgerKind.FUNDING, asset.id)
        coming = Decimal(amount) > 0
        ledger.transfer(
            at=at,
            kind=TransferKind.DEPOSIT if coming else TransferKind.WITHDRAWAL,
            debit=outside if coming else client,
            credit=client if coming else outside,
            amount=abs(Decimal(amount)),
            cause=Cause(reason=reason),
        )
        (made,) = ledger.flush()
    return made


def ledger_of(account: TradingAccount, asset: Asset) -> LedgerAccount:
    """The account's own ledger account."""
    return LedgerAccount.objects.get(account=account, asset=asset, kind=LedgerKind.CLIENT)


def cut_months(*months: int) -> None:
    """Give the ledger a partition for each of these months of 2026, with the rows that it has."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for month in months:
            start, end = datetime(2026, month, 1, tzinfo=UTC), datetime(2026, month + 1, 1, tzinfo=UTC)
            name = f"accounts_transfer_2026_{month:02}"
            cursor.execute(f"CREATE TABLE {name} (LIKE accounts_transfer INCLUDING ALL)")
            cursor.execute("ALTER TABLE accounts_transfer_default DISABLE TRIGGER USER")
            cursor.execute(
                "WITH moved AS (DELETE FROM accounts_transfer_default WHERE at >= %s AND at < %s RETURNING *)"
                f" INSERT INTO {name} SELECT * FROM moved",
                [start, end],
            )
            cursor.execute("ALTER TABLE accounts_transfer_default ENABLE TRIGGER USER")
            cursor.execute(
                f"ALTER TABLE accounts_transfer ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)",
                [start, end],
            )


@contextmanager
def opened_partitions() -> Iterator[set[str]]:
    """The partitions of the ledger that the plans of the queries within open, as EXPLAIN names them."""
    opened: set[str] = set()

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if "accounts_transfer" in sql and sql.lstrip().startswith("SELECT"):
            with context["connection"].connection.cursor() as cursor:
                plan = cursor.execute(f"EXPLAIN (COSTS OFF) {sql}", params).fetchall()
            opened.update(re.findall(r" on (accounts_transfer\w*)", "\n".join(line for (line,) in plan)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield opened
