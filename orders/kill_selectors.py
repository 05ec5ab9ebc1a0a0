"""What the kill switch has stopped, where it took effect and how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, QuerySet, Subquery

from audit.models import ApprovalRequest
from audit.selectors import waiting
from orders.models import KillEffect
from orders.services.engine_codes import REASON
from orders.services.kill_switch import RELEASE, live_orders
from orders.services.killing import REFUSABLE, of_scope
from risk.models import KillAct, KillScope, KillStage, KillSwitch
from risk.models.kill_switch import PRESSES
from risk.services.kill_switch import Target, newest_act
from tradeplatform.common.db import fetch
from tradeplatform.common.times import rfc3339

# The last column counts what came before the press and died behind it, as far as one page can wait for that:
# of the scope nothing else was refused by the drain until the switch was turned again, for intake took none.
_REACH = f"""
    SELECT e.act_id, e.shard_id, h.status, e.position, e.in_effect_at,
           extract(epoch FROM e.in_effect_at - a.pressed_at)::float8 * 1000, e.commands, e.cancelled,
           (SELECT count(*) FROM orders_command c
            WHERE c.shard_id = e.shard_id AND c.position >= e.position AND c.position < e.position + %s
              AND c.position < coalesce(turned.position, c.position + 1)
              AND c.kind = ANY(%s) AND c.reason_code = %s AND {of_scope("a.members")})
    FROM orders_killeffect e JOIN orders_shard h ON h.id = e.shard_id
    JOIN risk_killact a ON a.id = e.act_id JOIN risk_killswitch s ON s.id = a.switch_id
    LEFT JOIN LATERAL (
        SELECT min(n.position) AS position FROM orders_killeffect n JOIN risk_killact r ON r.id = n.act_id
        WHERE n.shard_id = e.shard_id AND r.switch_id = s.id AND r.id > a.id) turned ON true
    WHERE e.act_id = ANY(%s) ORDER BY e.shard_id
"""  # noqa: S608 - our own words
_MOST_LOOKED_AT = 100_000
_REFUSABLE = [kind.value for kind in REFUSABLE]


@dataclass(frozen=True, slots=True)
class OnShard:
    """What an act came to on one shard; without a position it is still due.

    `milliseconds` is from the press to the effect, by the database's clock. `refused` are orders and amends
    that had been accepted and waited: they died behind the effect.
    """

    shard_id: int
    status: str
    position: int | None
    in_effect_at: datetime | None
    milliseconds: float | None
    commands: int
    cancelled: int
    refused: int


@dataclass(frozen=True, slots=True)
class Reach:
    """What an act came to on all its shards."""

    shards: Sequence[OnShard]

    @property
    def in_effect(self) -> int:
        """On how many shards it has taken effect."""
        return sum(shard.position is not None for shard in self.shards)

    @property
    def waiting(self) -> list[int]:
        """The shards where it is still due."""
        return [shard.shard_id for shard in self.shards if shard.position is None]

    @property
    def slowest_ms(self) -> float | None:
        """From the press to the last effect; None while one is due."""
        found = [shard.milliseconds for shard in self.shards]
        times = [taken for taken in found if taken is not None]
        return max(times) if times and len(times) == len(found) else None


def reach_of(act: KillAct) -> Reach:
    """Where the act has taken effect by now."""
    return reaches_of([act])[act.pk]


def reaches_of(acts: Sequence[KillAct]) -> dict[int, Reach]:
    """Where each of these acts has taken effect by now, by its id."""
    found: dict[int, list[OnShard]] = {act.pk: [] for act in acts}
    for act_id, *row in fetch(_REACH, [_MOST_LOOKED_AT, _REFUSABLE, REASON["killed"], list(found)]):
        found[act_id].append(OnShard(*row))
    return {act_id: Reach(shards) for act_id, shards in found.items()}


def not_open() -> list[KillAct]:
    """The last press of each switch that is not open, the newest first."""
    newest = KillAct.objects.filter(switch=OuterRef("switch"), stage__in=PRESSES).order_by("-id")
    acts = KillAct.objects.filter(id=Subquery(newest.values("id")[:1])).exclude(switch__stage=KillStage.OPEN)
    return list(acts.select_related("switch").order_by("-id"))


@dataclass(frozen=True, slots=True)
class OnMarkets:
    """How far all markets are open by the switch of everything, and by its own each that is not."""

    everything: KillStage
    instruments: Mapping[int, KillStage]


def on_markets() -> OnMarkets:
    """What the kill switches leave open of the markets, by instrument id."""
    closed = KillSwitch.objects.filter(scope=KillScope.INSTRUMENT).exclude(stage=KillStage.OPEN)
    stages = {key: KillStage(stage) for key, stage in closed.values_list("key", "stage")}
    everything = KillSwitch.objects.filter(scope=KillScope.GLOBAL).first()
    # Where its row is missing, all is stopped.
    return OnMarkets(KillStage(everything.stage) if everything else KillStage.STOPPED, stages)


def with_waiting(switches: QuerySet[KillSwitch]) -> QuerySet[KillSwitch]:
    """The switches with `waiting`: the shards on which the last press of each is still due."""
    presses = KillAct.objects.filter(switch=OuterRef(OuterRef("pk")), stage__in=PRESSES).order_by("-id")
    due = KillEffect.objects.filter(act=Subquery(presses.values("id")[:1]), position__isnull=True)
    return switches.annotate(waiting=ArraySubquery(due.order_by("shard_id").values("shard_id")))


def releases_asked_for(switch: KillSwitch, *, now: datetime) -> list[ApprovalRequest]:
    """The requests for its next step that wait for approval; not those about an earlier press."""
    newest = newest_act(switch)
    if newest is None:
        return []
    asked = waiting(now=now).filter(target_type="risk.killswitch", target_id=str(switch.pk), action=RELEASE)
    return list(asked.filter(payload__act=newest.pk))


def would_stop(target: Target) -> dict[str, int]:
    """How many live orders, of how many accounts and in how many instruments, a press would end."""
    counted = live_orders(target).aggregate(
        orders=Count("id"),
        accounts=Count("account_id", distinct=True),
        instruments=Count("instrument_id", distinct=True),
    )
    return {name: int(number) for name, number in counted.items()}


def act_json(act: KillAct, reach: Reach) -> dict[str, Any]:
    """An act and what came of it, for programs."""
    switch = act.switch
    return {
        "switch": switch.pk,
        "act": act.pk,
        "scope": switch.scope,
        "name": switch.label,
        "stage": switch.stage,
        "pressed_at": rfc3339(act.pressed_at),
        "by": act.actor_label,
        "reason": act.reason,
        "press_to_last_effect_ms": None if reach.slowest_ms is None else round(reach.slowest_ms, 1),
        "shards": [
            {
                "shard": shard.shard_id,
                "status": shard.status,
                "position": shard.position,
                "in_effect_at": None if shard.in_effect_at is None else rfc3339(shard.in_effect_at),
                "milliseconds": None if shard.milliseconds is None else round(shard.milliseconds, 1),
                "cancelled": shard.cancelled,
                "refused": shard.refused,
            }
            for shard in reach.shards
        ],
    }
