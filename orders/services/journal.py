"""Write commands: the durable request to change a market that one shard's worker will apply."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import orjson
from tradeengine.codec import NO_TERMS, Terms

from audit.actor import Actor
from orders.metrics import count_commands
from orders.models import CommandKind, CommandStatus
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.statements import Insertion, Statement, known, numbers

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = (
    "id", "at", "shard_id", "instrument_id", "kind", "status", "order_id", "account_id", "side", "order_type",
    "time_in_force", "flags", "stp_mode", "stp_group", "reason_code", "price_ticks", "quantity_lots",
    "phase", "terms", "time_us", "held", "actor_id", "actor_label", "reason", "correlation_id",
    "client_request_id",
)  # fmt: skip
_TYPES = "qthihsqqhhhhhqhqqhjqnqssss"


class CommandRow(NamedTuple):
    """A command about to be written, in the engine's integers; `terms` only for a NEW that has some.

    A tuple, because thousands a second are made: a frozen dataclass sets each field by a call.
    """

    shard_id: int
    instrument_id: int
    kind: CommandKind
    order_id: int = 0
    account_id: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    flags: int = 0
    stp_mode: int = 0
    stp_group: int = 0
    reason_code: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    phase: int = 0
    terms: Terms = NO_TERMS
    held: Decimal = Decimal(0)
    reason: str = ""
    client_request_id: str = ""


def microseconds(at: datetime) -> int:
    """A moment as whole microseconds since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(time_us: int) -> datetime:
    """Microseconds since 1970 as a moment, exactly."""
    return _EPOCH + timedelta(microseconds=time_us)


def terms_text(terms: Terms) -> str | None:
    """Terms as JSON by the names of their fields, zeros left out; None where there are none."""
    if terms == NO_TERMS:
        return None
    return orjson.dumps({name: int(value) for name, value in terms._asdict().items() if value}).decode()


def terms_of(stored: str | None) -> Terms:
    """The terms of a stored command."""
    return NO_TERMS if stored is None else Terms(**orjson.loads(stored))


def write_commands(rows: Sequence[CommandRow], *, actor: Actor, now: datetime) -> list[int]:
    """Write commands in one COPY inside the caller's transaction; returns their ids, increasing."""
    by = (actor, correlation_id())
    ids = command_ids(len(rows)).run()
    commands_written([(number, row, *by) for number, row in zip(ids, rows, strict=True)], now=now).copy()
    return ids


def command_ids(count: int) -> Statement[list[int]]:
    """So many ids for commands. Whoever sees an order takes a later one than it has: ask for them last."""
    return numbers("orders_command_id_seq", count) if count else known([])


def commands_written(rows: Sequence[tuple[int, CommandRow, Actor, str]], *, now: datetime) -> Insertion:
    """The rows of commands, each with its id, its actor and its correlation id."""
    time_us = microseconds(now)
    count_commands(row.kind for _number, row, _actor, _correlation in rows)
    return Insertion(
        "orders_command",
        _COLUMNS,
        _TYPES,
        [
            (
                number,
                now,
                row.shard_id,
                row.instrument_id,
                row.kind.value,
                CommandStatus.PENDING.value,
                row.order_id,
                row.account_id,
                row.side,
                row.order_type,
                row.time_in_force,
                row.flags,
                row.stp_mode,
                row.stp_group,
                row.reason_code,
                row.price_ticks,
                row.quantity_lots,
                row.phase,
                terms_text(row.terms),
                time_us,
                row.held,
                actor.user_id,
                actor.label,
                row.reason,
                correlation,
                row.client_request_id,
            )
            for number, row, actor, correlation in rows
        ],
    )
