"""What the database says of the platform when it is asked: every statement by index, and bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS
from prometheus_client.core import GaugeMetricFamily, Metric

from accounts.models import ProofRun
from django_partition.headroom import headroom
from orders.models import Book, Phase, ShardStatus
from orders.services.journal import moment
from orders.shard_selectors import shard_states
from risk.models import KillScope, KillStage, KillSwitch
from risk.models.kill_switch import NEXT_STAGE
from tradeplatform.common.metrics import NAMESPACE

_DAY_SECONDS = 86_400
_SERVERS = {"database": "PostgreSQL", "valkey": "Valkey"}


def figures(now: datetime) -> Iterator[Metric]:
    """Each family with its samples, as they are now. Raises DatabaseError."""
    yield from _shards(now)
    yield _books(now)
    yield _partitions(now)
    yield from _proof(now)
    yield _killed()


def _shards(now: datetime) -> Iterator[Metric]:
    running = _family("shard_running", "1 if the shard works, 0 if it is stopped.", "shard")
    epoch = _family("shard_epoch", "Changes of the shard's owner so far.", "shard")
    position = _family("shard_position", "Commands that the shard has applied so far.", "shard")
    waiting = _family("shard_waiting_commands", "Commands that wait for the shard, counted to 1001.", "shard")
    lag = _family("shard_lag_seconds", "For how long the shard's oldest waiting command has waited.", "shard")
    for state in shard_states():
        label, shard = [str(state.shard.pk)], state.shard
        running.add_metric(label, shard.status == ShardStatus.RUNNING)
        epoch.add_metric(label, shard.epoch)
        position.add_metric(label, shard.position)
        waiting.add_metric(label, state.backlog.waiting)
        lag.add_metric(label, state.backlog.lag_seconds(now))
    yield from (running, epoch, position, waiting, lag)


def _books(now: datetime) -> Metric:
    family = _family("book_age_seconds", "Since the last event of a book that is open for trading.", "symbol")
    moved = Book.objects.filter(phase=Phase.OPEN, seq__gt=0).order_by("instrument__symbol")
    for symbol, last_time in moved.values_list("instrument__symbol", "last_time"):
        family.add_metric([symbol], max(0.0, (now - moment(last_time)).total_seconds()))
    return family


def _partitions(now: datetime) -> Metric:
    family = _family(
        "partition_headroom_days", "How long the table's partitions reach from now without a gap.", "table"
    )
    for table, reach in headroom(now, DEFAULT_DB_ALIAS).items():
        family.add_metric([table], reach.total_seconds() / _DAY_SECONDS)
    return family


def _proof(now: datetime) -> Iterator[Metric]:
    breaches = _family("invariant_breaches", "Invariants that the newest proof found broken.")
    age = _family("proof_age_seconds", "Since the newest proof; nothing before there was one.")
    newest = ProofRun.objects.order_by("-id").first()
    if newest is not None:
        breaches.add_metric([], sum(not finding["holds"] for finding in newest.findings))
        age.add_metric([], (now - newest.at).total_seconds())
    yield from (breaches, age)


def _killed() -> Metric:
    family = _family("kill_switches", "Kill switches that are not open, by what they stop and how far.",
                     "scope", "stage")  # fmt: skip
    closed = KillSwitch.objects.exclude(stage=KillStage.OPEN).values_list("scope", "stage")
    counted = Counter(closed.order_by())
    if not KillSwitch.objects.filter(scope=KillScope.GLOBAL).exists():
        # Without its row all is stopped.
        counted[KillScope.GLOBAL.value, KillStage.STOPPED.value] += 1
    for scope in KillScope:
        for stage in NEXT_STAGE:
            family.add_metric([scope.value, stage.value], counted[scope.value, stage.value])
    return family


def _family(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAMESPACE}_{name}", about, labels=labels)


def up(name: str, *, answers: bool) -> Metric:
    """Whether a server answered when these figures were read."""
    family = _family(f"{name}_up", f"1 if {_SERVERS[name]} answered when this was asked for, else 0.")
    family.add_metric([], answers)
    return family
