"""The kill switch in a word: press it, and take steps of its release by two people."""

from __future__ import annotations

from accounts.models import Role
from orders.models import KillEffect
from orders.services.kill_switch import Pressed, ask_release
from orders.services.kill_switch import press as press_target
from risk.models import KillScope, KillSwitch
from risk.services.kill_switch import find_target
from tests.audit.agreeing import agree
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, make_user, tag


def press(
    scope: KillScope = KillScope.GLOBAL,
    name: str = "",
    *,
    reason: str = "runaway robot",
    keep_orders: bool = False,
) -> Pressed:
    """Stop a scope by its name."""
    target = find_target(scope, name)
    return press_target(target=target, actor=ACTOR, now=NOW, reason=reason, keep_orders=keep_orders)


def step(switch: KillSwitch) -> None:
    """One step of its release: one person asks, another agrees."""
    maker = by(make_user(Role.RISK_MANAGER))
    asked = ask_release(switch_id=switch.pk, request_id=tag(), actor=maker, now=NOW, reason="mended")
    agree(asked)


def stage_of(pressed: Pressed) -> str:
    """How far the scope is open now."""
    return KillSwitch.objects.values_list("stage", flat=True).get(id=pressed.act.switch_id)


def effect_of(pressed: Pressed, shard_id: int) -> KillEffect:
    """What the press came to on a shard."""
    return KillEffect.objects.get(act=pressed.act, shard_id=shard_id)
