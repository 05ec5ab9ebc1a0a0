"""A command that cannot be applied is set aside, so that the rest of its shard goes on.

It keeps its place in the journal, as something that only refuses: a new order and an amendment come with
the reason `quarantined`, which the book answers with; a cancel is nobody's, which the book refuses; what is
left is a mark of time. A replay gives the same. What the command was and what went wrong is kept beside it.

Should many fail in a short time, it is not the commands: the shard stops and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from audit.actor import Actor
from audit.services.recording import record
from instruments.selectors import rules_by_id
from orders.models import CommandKind, Quarantine, Shard
from orders.services import engine_codes
from orders.services.pending import PendingCommand, read_pending
from orders.services.phases import halt_instrument
from tradeplatform.common.db import execute
from tradeplatform.common.errors import Refusal

logger = structlog.get_logger(__name__)

#: So many in so long are a fault of the platform.
MOST, WITHIN = 5, timedelta(minutes=10)
#: What says nothing about a command: the database, the host or this process is in trouble.
OF_THE_SURROUNDINGS = (OperationalError, InterfaceError, OSError, MemoryError)

_ACTOR = Actor.system("quarantine")
_QUARANTINED = engine_codes.REASON["quarantined"]
# No account has it, so no order is its.
_NOBODY = 2**63 - 1
_LONGEST_ERROR = 2_000
_REPLACED = (
    "kind", "account_id", "side", "order_type", "time_in_force", "flags", "stp_mode", "stp_group",
    "reason_code", "price_ticks", "quantity_lots", "phase", "terms", "order_id", "client_request_id",
)  # fmt: skip
_PLAIN: dict[str, Any] = dict.fromkeys(_REPLACED, 0) | {"terms": None, "client_request_id": ""}


class NothingHelps(Exception):  # noqa: N818 - a state of affairs
    """The shard cannot go on by setting commands aside; the message says why."""


def set_aside(*, shard_id: int, owner: str, error: Exception, now: datetime) -> Iterator[None]:
    """Replace the shard's first pending command, each time by something that can do less.

    Try to apply it after each step, and go on only if that failed too. Raises NothingHelps.
    """
    command = first_pending(shard_id)
    if command is None:
        return
    lately = Quarantine.objects.filter(shard_id=shard_id, at__gt=now - WITHIN).count()
    if lately >= MOST:
        minutes = WITHIN // timedelta(minutes=1)
        raise NothingHelps(
            f"{lately} commands were set aside within {minutes} minutes, and the next one fails too:"
            f" command {command.id}, {_words(error)}. It is not the commands."
        )
    for step, instead in enumerate(_instead_of(command)):
        with transaction.atomic():
            # Whoever has taken the shard over meanwhile sees to it.
            if not Shard.objects.select_for_update(no_key=True).filter(id=shard_id, owner=owner).exists():
                return
            if not _replace(command, instead):
                return
            if step == 0:
                _note(command, shard_id, error, now)
        yield
    raise NothingHelps(f"Command {command.id} can neither be applied nor set aside: {_words(error)}.")


def first_pending(shard_id: int) -> PendingCommand | None:
    """The command that is next on a shard."""
    return next(iter(read_pending(shard_id, 1)), None)


def _instead_of(command: PendingCommand) -> Iterator[dict[str, Any]]:
    """What could stand in its place, the closest first; what holds funds stays what releases them."""
    who = {"order_id": command.order_id, "account_id": command.account_id, "reason_code": _QUARANTINED}
    match command.kind:
        case CommandKind.NEW:
            yield {"reason_code": _QUARANTINED}
            least = {"side": 1, "order_type": 1, "time_in_force": 1, "stp_mode": 1, "price_ticks": 1}
            yield _PLAIN | who | least | {"kind": CommandKind.NEW, "quantity_lots": 1}
        case CommandKind.AMEND:
            yield {"reason_code": _QUARANTINED}
            yield _PLAIN | who | {"kind": CommandKind.AMEND, "quantity_lots": 1}
        case CommandKind.CANCEL:
            yield {"account_id": _NOBODY}
            yield _PLAIN | {"kind": CommandKind.TIME}
        case _:
            yield _PLAIN | {"kind": CommandKind.TIME}


def _replace(command: PendingCommand, values: dict[str, Any]) -> bool:
    """Whether it was pending still."""
    columns = ", ".join(f"{name} = %s" for name in values)
    changed = execute(
        f"UPDATE orders_command SET {columns} WHERE id = %s AND at = %s AND status = 'pending'",  # noqa: S608
        [*values.values(), command.id, command.at],
    )
    return changed == 1


def _note(command: PendingCommand, shard_id: int, error: Exception, now: datetime) -> None:
    original = {name: str(value) if name == "held" else value for name, value in command._asdict().items()}
    Quarantine.objects.create(
        at=now,
        command_id=command.id,
        command_at=command.at,
        shard_id=shard_id,
        instrument_id=command.instrument_id,
        order_id=command.order_id,
        kind=command.kind,
        error=_words(error),
        original=original,
    )
    record(
        actor=_ACTOR,
        action="orders.command.quarantine",
        target_type="orders.command",
        target_id=command.id,
        target_label=f"command {command.id}",
        reason=_words(error),
        after={"shard": shard_id, "order": command.order_id},
        now=now,
    )
    if settings.HALT_ON_QUARANTINE:
        _halt(command, now)
    logger.error("command_quarantined", shard=shard_id, command=command.id, error=_words(error))


def _halt(command: PendingCommand, now: datetime) -> None:
    """Stop trading of the instrument until somebody has looked; one that is stopped already stays so."""
    symbol = rules_by_id([command.instrument_id])[command.instrument_id].symbol
    with suppress(Refusal):
        halt_instrument(symbol=symbol, actor=_ACTOR, now=now, reason=f"command {command.id} was quarantined")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\0", "")[:_LONGEST_ERROR]
