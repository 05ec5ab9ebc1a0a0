"""Dead man's switches: an account's orders are cancelled when its timer was not renewed in time.

Time is the database's, so that no two machines disagree about it. Setting and firing take turns at the
account's row, where intake does as well: a renewal either comes before the firing, which then does not
happen, or after it, and its answer says when the timer fired; an order placed after the firing stays.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction

from audit.actor import Actor
from audit.services.recording import record
from instruments.models import Instrument
from instruments.selectors import find_instrument
from orders.models import CancelTimer, TimerKind
from orders.services.changing import cancel_all_orders
from orders.services.owners import lock_owners
from tradeplatform.common.db import execute, fetch
from tradeplatform.common.errors import Code, Refusal

LONGEST_SECONDS = 86_400
#: From the last heartbeat of a server that has sockets of an account to the cancelling of its orders.
GRACE_SECONDS = 6
#: Accounts of one sweep; the next one, a second later, takes on.
_MOST = 500


def set_cancel_after(
    *, account_id: int, symbol: str | None, seconds: int, actor: Actor, now: datetime
) -> CancelTimer:
    """Cancel the account's orders (in one instrument) in so many seconds, 0 = never; each call begins anew.

    Raises Refusal: unknown_symbol, invalid_field.
    """
    if not 0 <= seconds <= LONGEST_SECONDS:
        sentence = f"seconds is 0 (off) to {LONGEST_SECONDS}."
        raise Refusal(Code.INVALID_FIELD, sentence, fields={"seconds": sentence})
    with transaction.atomic():
        lock_owners([account_id])
        instrument = None if symbol is None else find_instrument(symbol)
        return _set(account_id, TimerKind.CANCEL_AFTER, instrument, seconds=seconds, actor=actor, now=now)


def set_cancel_on_disconnect(*, account_id: int, enabled: bool, actor: Actor, now: datetime) -> CancelTimer:
    """Cancel the account's orders once no server with sockets of it has renewed this for a grace."""
    with transaction.atomic():
        lock_owners([account_id])
        seconds = GRACE_SECONDS if enabled else 0
        return _set(account_id, TimerKind.DISCONNECT, None, seconds=seconds, actor=actor, now=now)


def renew_connected(account_ids: Collection[int]) -> int:
    """The heartbeat of a server: sockets that asked for cancel on disconnect are open for these accounts.

    Says what is so, whatever was before: a timer that another server's socket took off, or that fired while
    this server was cut off from the database, is on again. Returns how many were renewed.
    """
    return execute(
        "UPDATE orders_canceltimer SET renewed_at = clock_timestamp(),"
        " due_at = clock_timestamp() + make_interval(secs => seconds)"
        # In order, so that two servers with sockets of the same accounts cannot wait for each other.
        " WHERE id IN (SELECT id FROM orders_canceltimer WHERE account_id = ANY(%s) AND kind = %s"
        " ORDER BY id FOR NO KEY UPDATE)",
        [list(account_ids), TimerKind.DISCONNECT.value],
    )


def fire_due(*, now: datetime) -> int:
    """Cancel the orders behind each timer that is due; returns how many timers fired.

    May be called at any time and by any number: each timer fires once. An account that fails does not keep
    others from being seen to; the failures are raised when all were.
    """
    rows = fetch(
        "SELECT account_id FROM orders_canceltimer WHERE due_at <= clock_timestamp()"
        " GROUP BY account_id ORDER BY min(due_at) LIMIT %s",
        [_MOST],
    )
    fired, failures = 0, []
    for (account_id,) in rows:
        try:
            fired += _fire(account_id, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as failure:  # noqa: BLE001 - raised below
            failures.append(failure)
    if failures:
        raise ExceptionGroup("Some cancel timers could not be fired.", failures)
    return fired


def _fire(account_id: int, now: datetime) -> int:
    with transaction.atomic():
        lock_owners([account_id])
        due = list(
            CancelTimer.objects.raw(
                "SELECT * FROM orders_canceltimer WHERE account_id = %s AND due_at <= clock_timestamp()"
                " ORDER BY id FOR NO KEY UPDATE",
                [account_id],
            )
        )
        for timer in due:
            actor = Actor.system(timer.kind)
            symbol = None if timer.instrument is None else timer.instrument.symbol
            requested = cancel_all_orders(
                account_id=account_id, symbol=symbol, actor=actor, now=now, reason=timer.get_kind_display()
            )
            was_due, timer.due_at, timer.fired_at = timer.due_at, None, _database_time()
            timer.save(update_fields=["due_at", "fired_at"])
            commands = sorted({item.command_id for item in requested})
            after = {"orders": len(requested), "commands": commands}
            _record("fire", timer, actor, now, before={"due_at": str(was_due)}, after=after)
    return len(due)


def _set(
    account_id: int,
    kind: TimerKind,
    instrument: Instrument | None,
    *,
    seconds: int,
    actor: Actor,
    now: datetime,
) -> CancelTimer:
    """Renew or take off, under the lock of the account. Renewals, which may be many, leave no record."""
    found = CancelTimer.objects.select_for_update(no_key=True, of=("self",)).filter(
        account_id=account_id, kind=kind, instrument=instrument
    )
    timer = found.first() or CancelTimer(account_id=account_id, kind=kind, instrument=instrument)
    was = None if timer.due_at is None else timer.seconds
    timer.seconds = seconds or timer.seconds or GRACE_SECONDS
    timer.renewed_at = _database_time()
    timer.due_at = timer.renewed_at + timedelta(seconds=seconds) if seconds else None
    if seconds or timer.pk:
        timer.save()
    if (was is None) != (not seconds):
        action = "set" if seconds else "off"
        _record(action, timer, actor, now, before={"seconds": was}, after={"seconds": seconds or None})
    return timer


def _database_time() -> datetime:
    found: datetime = fetch("SELECT clock_timestamp()")[0][0]
    return found


def _record(
    act: str,
    timer: CancelTimer,
    actor: Actor,
    now: datetime,
    *,
    before: dict[str, object],
    after: dict[str, object],
) -> None:
    instrument = "all" if timer.instrument is None else timer.instrument.symbol
    record(
        actor=actor,
        action=f"orders.{timer.kind}.{act}",
        target_type="accounts.tradingaccount",
        target_id=timer.account_id,
        target_label=timer.account.account_number,
        before=before,
        after={"instrument": instrument} | after,
        now=now,
    )
