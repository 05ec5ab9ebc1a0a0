"""Pending commands: read by state, never "after the last id I saw"; marked done with their place."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from tradeengine import codec

from orders.services.journal import terms_of
from tradeplatform.common.db import array, execute, fetch


class PendingCommand(NamedTuple):
    """A command as the engine needs it. `at` is the database's text of it: it only finds the row again."""

    id: int
    at: str
    instrument_id: int
    kind: int
    order_id: int
    account_id: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    stp_mode: int
    stp_group: int
    reason_code: int
    price_ticks: int
    quantity_lots: int
    phase: int
    terms: str | None
    time_us: int
    held: Decimal
    correlation_id: str

    def encode(self) -> bytes:
        """The engine's record of it, and that of its terms."""
        if self.terms is None:
            return self._record(self.flags)
        return self._record(self.flags | codec.CommandFlag.TERMS) + terms_of(self.terms).encode()

    def _record(self, flags: int) -> bytes:
        return codec.COMMAND.pack(
            self.kind, self.side, self.order_type, self.time_in_force, flags, self.stp_mode,
            self.reason_code, self.phase, self.instrument_id, 0, self.id, self.order_id, self.account_id,
            self.stp_group, self.price_ticks, self.quantity_lots, self.time_us,
        )  # fmt: skip


COLUMNS = (
    "id, at::text, instrument_id, kind, order_id, account_id, side, order_type, time_in_force, flags,"
    " stp_mode, stp_group, reason_code, price_ticks, quantity_lots, phase, terms::text, time_us, held,"
    " correlation_id"
)


def read_pending(shard_id: int, limit: int) -> list[PendingCommand]:
    """The shard's oldest pending commands. Must be called with the shard's row locked."""
    rows = fetch(
        f"SELECT {COLUMNS} FROM orders_command WHERE shard_id = %s AND status = 'pending'"  # noqa: S608
        " ORDER BY id LIMIT %s",
        [shard_id, limit],
        prepared=True,
    )
    return list(map(PendingCommand._make, rows))


def read_these(shard_id: int, ids: list[int]) -> list[PendingCommand]:
    """The pending commands with these ids, in their order. Must be called with the shard's row locked."""
    rows = fetch(
        f"SELECT {COLUMNS} FROM orders_command WHERE shard_id = %s AND status = 'pending'"  # noqa: S608
        " AND id = ANY(%s::bigint[]) ORDER BY id",
        [shard_id, array(ids)],
    )
    return list(map(PendingCommand._make, rows))


def mark_done(commands: list[PendingCommand], *, first_position: int, last_seq: dict[int, int]) -> None:
    """Give each command its place in the shard's order of application, and the seq it ended at."""
    execute(
        "UPDATE orders_command SET status = 'done', held = 0, position = n.position, last_seq = n.last_seq"
        " FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[], %s::bigint[])"
        " AS n(id, at, position, last_seq)"
        " WHERE orders_command.id = n.id AND orders_command.at = n.at",
        [
            array(command.id for command in commands),
            array(command.at for command in commands),
            array(range(first_position, first_position + len(commands))),
            array(last_seq[command.id] for command in commands),
        ],
        prepared=True,
    )
