"""Stop a scope by one decision and see to it that every shard knows; release it, by two people, in steps.

A press is one transaction on PostgreSQL: the switch, the fact, the audit record, and an effect that is due
on each shard. From its commit on intake refuses; each shard's drain applies it before anything that waits.
Whoever pressed does not count on a worker: what no worker has taken up after a moment he drains himself, so
neither the broker nor Valkey nor a worker has to be there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import OperationalError, transaction
from django.db.models import Min
from django.utils.text import capfirst

from audit.actor import Actor
from audit.approvable import EffectRow
from audit.models import ApprovalRequest
from audit.services.approving import Target as ApprovalTarget
from audit.services.approving import ask_always
from audit.services.reasons import require_reason
from orders.models import Book, KillEffect, Order, Shard, ShardStatus
from orders.models.order import OrderQuerySet
from orders.services import books, drain, frames, owners
from orders.services.killing import REFUSABLE, of_scope
from orders.services.wake import wake
from risk.models import KillAct, KillScope, KillStage, KillSwitch
from risk.services import kill_switch
from risk.services.kill_switch import Target
from risk.services.stops import credential_of
from tradeplatform.common.db import fetch, patient_for
from tradeplatform.common.errors import Code, Refusal

logger = structlog.get_logger(__name__)

RELEASE = "risk.kill_switch.release"
#: How long a worker has to take it up before who pressed does its work, and how long he tries.
GRACE_SECONDS = 0.2
PATIENCE_SECONDS = 20.0
_PAUSE = 0.01
# A release gives those who are just sending so long to end, before it is refused.
_ON_THEIR_WAY_SECONDS = 0.5
# For one attempt on a shard that somebody holds; the next attempt follows.
_LOCK_MS = 500


@dataclass(frozen=True, slots=True)
class Pressed:
    """A press: its act, and whether the scope was stopped already."""

    act: KillAct
    already: bool


def press(*, target: Target, actor: Actor, now: datetime, reason: str, keep_orders: bool = False) -> Pressed:
    """Stop a scope. Nobody has to agree; pressed again it is the same press. It waits for nothing.

    `keep_orders`: only new orders and amends are refused; there is nothing for the shards to do.
    Raises Refusal: reason_required, no_change.
    """
    with transaction.atomic():
        act, already = kill_switch.press(
            target=target, actor=actor, now=now, reason=reason, keep_orders=keep_orders
        )
        if not already and not keep_orders:
            _make_due(act)
    return Pressed(act, already)


def bring_into_effect(
    act: KillAct,
    *,
    clock: Callable[[], datetime],
    grace: float = GRACE_SECONDS,
    patience: float = PATIENCE_SECONDS,
) -> list[KillEffect]:
    """Wait until the act has taken effect on each shard, doing it here where no worker does; the effects.

    An effect without a position is still due: its shard was stopped, or somebody held it all the time.
    Must be called outside a transaction.
    """
    begun = time.monotonic()
    told: list[frames.Batch] = []
    while shards := _due_shards(act):
        waited = time.monotonic() - begun
        if waited > patience:
            break
        if waited >= grace:
            shards = [shard for shard in shards if not _drain_here(shard, clock, told)]
            if not shards:
                break
        time.sleep(_PAUSE)
    # The feed comes after the last effect: it may have to wait for a Valkey that is away.
    for batch in told:
        frames.tell(batch)
    return effects_of(act)


def effects_of(act: KillAct) -> list[KillEffect]:
    """What the act has done or has to do, by shard."""
    return list(act.effects.select_related("shard", "act__switch").order_by("shard_id"))


def live_orders(target: Target) -> OrderQuerySet:
    """The orders that a press would end: those that are not final, accepted and unapplied ones among them."""
    live = Order.objects.live()
    match target.scope:
        case KillScope.GLOBAL:
            return live
        case KillScope.INSTRUMENT:
            return live.filter(instrument_id=target.key)
        case KillScope.ACCOUNT:
            return live.filter(account_id=target.key)
        case KillScope.GROUP:
            return live.filter(account__group_id=target.key)
        case KillScope.API_KEY:
            return live.filter(credential=credential_of(target.key))


def ask_release(
    *, switch_id: int, request_id: str, actor: Actor, now: datetime, reason: str
) -> ApprovalRequest:
    """Ask for the next step of a release; another person has to agree.

    Raises Refusal: reason_required, not_found, no_change, kill_not_in_effect, request_id_conflict.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        switch = kill_switch.locked(switch_id)
        to = kill_switch.require_next(switch)
        newest = kill_switch.newest_act(switch)
        return ask_always(
            action=RELEASE,
            target=ApprovalTarget("risk.killswitch", switch.pk, str(switch)),
            payload={"switch": switch.pk, "to": to.value, "act": newest and newest.pk},
            request_id=request_id,
            reason=reason,
            actor=actor,
            now=now,
        )


def preview_release(payload: Mapping[str, Any]) -> list[EffectRow]:
    """What is taken before and after.

    Raises Refusal: not_found, no_change, row_changed, kill_not_in_effect.
    """
    switch = KillSwitch.objects.filter(id=payload["switch"]).first()
    if switch is None:
        raise Refusal(Code.NOT_FOUND, "No such kill switch.", switch=payload["switch"])
    to = KillStage(payload["to"])
    kill_switch.require_next(switch, to)
    _require_asked_of(switch, payload)
    _require_in_effect(switch)
    return [(str(switch), KillStage(switch.stage).label, to.label)]


def execute_release(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    """Take the step, if it is the next one still and what was stopped has been stopped everywhere."""
    switch = kill_switch.locked(approval.payload["switch"])
    to = KillStage(approval.payload["to"])
    kill_switch.require_next(switch, to)
    _require_asked_of(switch, approval.payload)
    _require_in_effect(switch)
    act = kill_switch.release(
        switch_id=switch.pk,
        to=to,
        approval_id=approval.pk,
        actor=actor,
        now=now,
        reason=approval.reason,
    )
    if act.before != KillStage.NO_ORDERS:
        _make_due(act)


def _require_asked_of(switch: KillSwitch, payload: Mapping[str, Any]) -> None:
    """Refuse a request that is about an earlier press: who asked for it knew nothing of this one."""
    newest = kill_switch.newest_act(switch)
    if newest and payload.get("act") != newest.pk:
        raise Refusal(
            Code.ROW_CHANGED,
            f"{capfirst(str(switch))}: it was pressed or released since this was asked for. Reject it; who "
            "still wants the release asks again.",
            switch=switch.pk,
        )


def _make_due(act: KillAct) -> None:
    """Ask each shard with books of the scope. The wake-up is a hint, given beside: nobody waits for it."""
    shards = list(_shards_of(act.switch))
    KillEffect.objects.bulk_create([KillEffect(act=act, shard_id=shard) for shard in shards])
    transaction.on_commit(lambda: threading.Thread(target=wake, args=(shards,), daemon=True).start())


def _shards_of(switch: KillSwitch) -> Sequence[int]:
    if switch.scope == KillScope.INSTRUMENT:
        # Without a book there is nothing to stop yet; one that is opened knows the switch.
        return list(Book.objects.filter(instrument_id=switch.key).values_list("shard_id", flat=True))
    return list(Shard.objects.order_by("id").values_list("id", flat=True))


def _due_shards(act: KillAct) -> list[int]:
    return list(
        KillEffect.objects.filter(act=act, position__isnull=True, shard__status=ShardStatus.RUNNING)
        .order_by("shard_id")
        .values_list("shard_id", flat=True)
    )


def _drain_here(shard_id: int, clock: Callable[[], datetime], told: list[frames.Batch]) -> bool:
    """Apply what is due on a shard and nothing of its backlog; whether there is nothing left to try."""
    try:
        with patient_for(_LOCK_MS):
            drain.drain(shard_id=shard_id, now=clock(), batch=0, tell=told.append)
    except drain.ShardStopped as stopped:
        logger.warning("kill_waits", shard=shard_id, reason=str(stopped))
        return True
    except (OperationalError, drain.Fenced) as error:
        # A worker has it in hand, or a frozen one will lose it soon.
        logger.warning("kill_held_up", shard=shard_id, error=str(error))
        return False
    finally:
        # This process is no worker: the engine has done what it was built for.
        books.forget(shard_id)
    return True


# Commands that the release would let through: sent before the press was seen, not applied yet.
_BEHIND = f"""
    SELECT DISTINCT c.shard_id FROM orders_command c, risk_killswitch s
    WHERE s.id = %s AND c.status = 'pending' AND c.kind = ANY(%s) AND {of_scope("s.members")}
"""  # noqa: S608 - our own words


def _require_in_effect(switch: KillSwitch) -> None:
    """Refuse a release while something of the scope that came before the press could still be taken.

    No host's clock has a say, nor an id. From the press on intake refuses all of the scope, so what of it
    is pending is older. Whoever asked before and has not committed is seen by his transaction, which began
    before the press took effect: both times are those of the database's own clock. First those who are on
    their way, then what they left: the other way round one could arrive between the two.
    """
    if switch.stage != KillStage.STOPPED:
        return
    effects = KillEffect.objects.filter(act=kill_switch.standing_press(switch))
    waiting = set(effects.filter(position__isnull=True).values_list("shard_id", flat=True))
    if not waiting:
        # Where no shard has a book of the scope its deals are left, and only the present is surely later.
        seen = effects.aggregate(first=Min("in_effect_at"))["first"]
        _require_arrived(seen or fetch("SELECT clock_timestamp()")[0][0])
    waiting.update(shard for (shard,) in fetch(_BEHIND, [switch.pk, [kind.value for kind in REFUSABLE]]))
    if waiting:
        raise Refusal(
            Code.KILL_NOT_IN_EFFECT,
            "A shard has not come so far yet: what was accepted before the press would still be taken.",
            shards=sorted(waiting),
        )


def _require_arrived(since: datetime) -> None:
    """Give whoever began before then a moment to end; refuse where one does not."""
    begun = time.monotonic()
    while sending := owners.on_their_way(since=since):
        if time.monotonic() - begun > _ON_THEIR_WAY_SECONDS:
            raise Refusal(
                Code.KILL_NOT_IN_EFFECT,
                "Whoever began before the press has not ended yet: what he sends could still be taken.",
                shards=[],
                sending=sending,
            )
        time.sleep(_PAUSE)
