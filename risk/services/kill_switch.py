"""Press the kill switch and release it: the switch's row, the fact and the audit record, in one transaction.

What a press does on the shards is the floor above's (orders/services/kill_switch.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Model
from django.utils.text import capfirst

from accounts.models import ApiKey, TradingAccount, TradingGroup
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import agreed, record
from instruments.models import Instrument
from risk.models import KillAct, KillScope, KillStage, KillSwitch
from risk.models.kill_switch import NEXT_STAGE, PRESSES
from tradeplatform.common.db import execute, fetch, require_transaction
from tradeplatform.common.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Target:
    """A scope that exists: its kind, the id of its row and what it is called."""

    scope: KillScope
    key: int
    label: str

    def __str__(self) -> str:
        return self.label if self.scope == KillScope.GLOBAL else f"{self.scope.label} {self.label}"


EVERYTHING = Target(KillScope.GLOBAL, 0, "everything")


def find_target(scope: KillScope, name: str = "") -> Target:
    """The scope by its name: a symbol, an account's number, a group's name, an API key's public id.

    A name with `global` is refused: who wrote it meant less than everything. Raises Refusal: invalid_field,
    unknown_symbol, account_not_found, not_found, api_key_not_found.
    """
    if scope == KillScope.GLOBAL:
        if name:
            sentence = "Everything has no name: leave this empty, or choose its kind."
            raise Refusal(Code.INVALID_FIELD, sentence, fields={"name": sentence})
        return EVERYTHING
    found = _FIND[scope](name) if name.isprintable() else None
    if found is None:
        asked = ascii(name[:64])[1:-1]
        sentence = f"No such {scope.label}: {asked}." if asked else f"Name the {scope.label}."
        raise Refusal(_UNKNOWN[scope], sentence, name=asked)
    # Of a key its label and first characters tell it from others.
    return Target(scope, found.pk, str(found) if scope == KillScope.API_KEY else name)


_FIND: dict[KillScope, Callable[[str], Model | None]] = {
    KillScope.INSTRUMENT: lambda name: Instrument.objects.filter(symbol=name).first(),
    KillScope.ACCOUNT: lambda name: TradingAccount.objects.filter(account_number=name).first(),
    KillScope.GROUP: lambda name: TradingGroup.objects.filter(name=name).first(),
    KillScope.API_KEY: lambda name: ApiKey.objects.filter(key_id=name).first(),
}
_UNKNOWN = {
    KillScope.INSTRUMENT: Code.UNKNOWN_SYMBOL,
    KillScope.ACCOUNT: Code.ACCOUNT_NOT_FOUND,
    KillScope.GROUP: Code.NOT_FOUND,
    KillScope.API_KEY: Code.API_KEY_NOT_FOUND,
}


def press(
    *, target: Target, actor: Actor, now: datetime, reason: str, keep_orders: bool = False
) -> tuple[KillAct, bool]:
    """Stop a scope; the act, and whether it was stopped already: then the act that did it, and nothing new.

    `keep_orders`: only new ones are refused; where limit orders alone are taken that is refused (no_change).
    Call it in a transaction. Raises Refusal: reason_required, no_change.
    """
    require_transaction()
    reason = require_reason(reason)
    pressed_at = fetch("SELECT clock_timestamp()")[0][0]
    execute(
        "INSERT INTO risk_killswitch (scope, key, label, stage, members) VALUES (%s, %s, %s, 'open', '{}')"
        " ON CONFLICT (scope, key) DO NOTHING",
        [target.scope.value, target.key, target.label],
    )
    switch = KillSwitch.objects.select_for_update(no_key=True).get(scope=target.scope, key=target.key)
    stage = KillStage.NO_ORDERS if keep_orders else KillStage.STOPPED
    if switch.stage in {stage, KillStage.STOPPED}:
        return standing_press(switch), True
    if keep_orders and switch.stage == KillStage.LIMIT_ONLY:
        raise Refusal(
            Code.NO_CHANGE,
            f"{capfirst(str(switch))}: it is being released; stop it, or take the next step.",
            stage=switch.stage,
        )
    members = TradingAccount.objects.filter(group_id=target.key) if target.scope == KillScope.GROUP else None
    switch.members = [] if members is None else sorted(members.values_list("id", flat=True))
    act = _turn(
        switch,
        stage,
        pressed_at=pressed_at,
        approval_id=None,
        actor=actor,
        now=now,
        reason=reason,
    )
    return act, False


def release(
    *, switch_id: int, to: KillStage, approval_id: int, actor: Actor, now: datetime, reason: str
) -> KillAct:
    """Open a scope by one step, as two people have agreed. Call it in a transaction.

    Raises Refusal: reason_required, not_found, no_change (it is not the next step any more).
    """
    require_transaction()
    reason = require_reason(reason)
    pressed_at = fetch("SELECT clock_timestamp()")[0][0]
    switch = locked(switch_id)
    require_next(switch, to)
    if to == KillStage.OPEN:
        switch.members = []
    return _turn(
        switch, to, pressed_at=pressed_at, approval_id=approval_id, actor=actor, now=now, reason=reason
    )


def locked(switch_id: int) -> KillSwitch:
    """The switch, held until the transaction ends. Raises Refusal not_found."""
    found = KillSwitch.objects.select_for_update(no_key=True).filter(id=switch_id).first()
    if found is None:
        raise Refusal(Code.NOT_FOUND, "No such kill switch.", switch=str(switch_id))
    return found


def standing_press(switch: KillSwitch) -> KillAct:
    """The press that the switch was last stopped by."""
    return switch.acts.filter(stage__in=PRESSES).latest("id")


def newest_act(switch: KillSwitch) -> KillAct | None:
    """Its last press or step of a release; none of a switch that was never pressed."""
    return switch.acts.order_by("id").last()


def require_next(switch: KillSwitch, to: KillStage | None = None) -> KillStage:
    """The stage of its release's next step. Raises Refusal no_change: there is none, or it is not `to`."""
    step = NEXT_STAGE.get(KillStage(switch.stage))
    if step is None or to not in {None, step}:
        raise Refusal(
            Code.NO_CHANGE,
            f"{capfirst(str(switch))}: it is {switch.get_stage_display().lower()} by now.",
            stage=switch.stage,
        )
    return step


def _turn(
    switch: KillSwitch,
    stage: KillStage,
    *,
    pressed_at: datetime,
    approval_id: int | None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> KillAct:
    before = KillStage(switch.stage)
    switch.stage, switch.changed_at = stage, now
    switch.save(update_fields=["stage", "changed_at", "members"])
    act = KillAct.objects.create(
        switch=switch,
        before=before,
        stage=stage,
        at=now,
        pressed_at=pressed_at,
        actor_id=actor.user_id,
        actor_label=actor.label,
        reason=reason,
        approval_id=approval_id,
        members=switch.members if stage in PRESSES else [],
    )
    record(
        actor=actor,
        action=f"risk.kill_switch.{'stop' if act.is_press else 'release'}",
        target_type="risk.killswitch",
        target_id=switch.pk,
        target_label=str(switch),
        reason=reason,
        before={"stage": before.value},
        after={"stage": stage.value, "act": act.pk} | agreed(approval_id),
        now=now,
    )
    return act
