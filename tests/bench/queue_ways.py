"""Commands written and applied by their rows alone, without an engine, and what reading them costs."""

from __future__ import annotations

from itertools import count

from django.db import transaction
from django.utils import timezone

from audit.actor import Actor
from orders.models import Command, CommandKind
from orders.services.journal import CommandRow, write_commands
from orders.services.pending import mark_done, read_pending
from tradeplatform.common.db import execute, fetch

_SHARD = 1
_ROW = CommandRow(shard_id=_SHARD, instrument_id=1, kind=CommandKind.TIME)
_position = count(1)


def without_autovacuum() -> None:
    """Nobody vacuums commands but who is told to."""
    parent = [Command._meta.db_table]
    pieces = fetch("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", parent)
    for (piece,) in pieces:
        execute(f"ALTER TABLE {piece} SET (autovacuum_enabled = false)")


def apply(batches: int, *, batch: int) -> None:
    """Write so many batches of commands and mark them as applied, as intake and drain do."""
    for _ in range(batches):
        write_commands([_ROW] * batch, actor=Actor.system("bench"), now=timezone.now())
        with transaction.atomic():
            pending = read_pending(_SHARD, batch)
            first = next(_position)
            mark_done(pending, first_position=first, last_seq={found.id: 1 for found in pending})
            for _ in pending[1:]:
                next(_position)


def vacuum(index_cleanup: str) -> None:
    """Vacuum the commands."""
    execute(f"VACUUM (INDEX_CLEANUP {index_cleanup}) {Command._meta.db_table}")


def pages_read(limit: int) -> int:
    """How many pages are looked at to find out that nothing is pending."""
    (plan,) = fetch(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT id FROM orders_command"
        " WHERE shard_id = %s AND status = 'pending' ORDER BY id LIMIT %s",
        [_SHARD, limit],
    )[0]
    return int(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])
