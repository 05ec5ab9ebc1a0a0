"""The system page: is it fast, is anything behind, stopped or broken, and how was the last hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import ProofRun
from django_partition.headroom import headroom
from orders.admin import show as trading
from orders.admin.books import books_table
from orders.admin.kill_switch import kill_tile
from orders.admin.order_buttons import capped
from orders.admin.shards import lag
from orders.models import Command, ShardStatus
from orders.shard_selectors import CAP, ShardState, shard_states
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Table, columns
from tradeplatform.common.admin.show import Tone
from tradeplatform.settings.values import config
from tradeplatform.system.sampling import Moment, course

PERMISSION = "orders.view_shard"
_HOUR = timedelta(hours=1)
# The bounds of deploy/alerts.yml.
_SHORT, _SLOW_MS = timedelta(days=2), 500


def system_view(request: HttpRequest) -> HttpResponse:
    """The page; its charts ask for the minutes themselves."""
    _require(request)
    now = timezone.now()
    states, hour = shard_states(), _last_hour(now)
    context: dict[str, Any] = admin.site.each_context(request) | {
        "title": "System",
        "now": show.when(now),
        "tiles": [
            *_speed(hour),
            *_refused(hour),
            *_shards(states),
            *_killed(request),
            *_proof(request, now),
            *_partitions(request, now),
        ],
        "panels": [_shard_table(states, now)],
        "books": [_books(state) for state in states],
        "minutes_url": reverse("admin:system-minutes"),
    }
    return TemplateResponse(request, "system/page.html", context)


def minutes_view(request: HttpRequest) -> HttpResponse:
    """The last hour as columns of numbers, oldest first, for the charts."""
    _require(request)
    moments = [asdict(moment) | {"at": moment.at.timestamp()} for moment in _last_hour(timezone.now())]
    names = list(Moment.__dataclass_fields__)
    return JsonResponse({name: [moment[name] for moment in moments] for name in names})


def _last_hour(now: datetime) -> list[Moment]:
    return course(since=now - _HOUR - timedelta(minutes=1))


def _tile(label: str, value: object, note: object, url: str, *, bad: bool = False) -> dict[str, Any]:
    return {"label": label, "value": value, "note": note, "url": url, "tone": "bad" if bad else ""}


def _speed(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    last = moments[-1] if moments else None
    accepted = last.accepted if last else None
    p95 = last.p95_ms if last else None
    orders = reverse("admin:orders_order_changelist")
    return [
        _tile("Orders accepted a second", _number(accepted, 1), "In the last whole minute", orders),
        _tile("p95 until the outcome", _number(p95, 0, " ms"), "From acceptance to commit", orders,
              bad=p95 is not None and p95 > _SLOW_MS),
    ]  # fmt: skip


def _refused(moments: Sequence[Moment]) -> list[dict[str, Any]]:
    """Leads to the shards: those that are behind say so."""
    refused = moments[-1].overloaded if moments else None
    shards = reverse("admin:orders_shard_changelist")
    return [
        _tile("Refused for overload", _number(refused, 0), "In the last whole minute", shards,
              bad=bool(refused)),
    ]  # fmt: skip


def _shards(states: Sequence[ShardState]) -> list[dict[str, Any]]:
    stopped = [state.shard for state in states if state.shard.status == ShardStatus.STOPPED]
    if not stopped:
        note = f"All {len(states)} work" if states else "There is none yet"
        return [_tile("Shards stopped", 0, note, reverse("admin:orders_shard_changelist"))]
    first = stopped[0]
    return [_tile("Shards stopped", len(stopped), show.short(first.stop_reason or f"Shard {first.pk}"),
                  show.page_of(first, first.pk), bad=True)]  # fmt: skip


def _killed(request: HttpRequest) -> list[dict[str, Any]]:
    return [kill_tile()] if request.user.has_perm("risk.view_killswitch") else []


def _proof(request: HttpRequest, now: datetime) -> list[dict[str, Any]]:
    if not request.user.has_perm("accounts.view_proofrun"):
        return []
    newest = ProofRun.objects.order_by("-id").first()
    if newest is None:
        return [_tile("Invariants broken", show.NOTHING, "Nothing was proved yet", reverse("admin:proof"))]
    broken = sum(not finding["holds"] for finding in newest.findings)
    note = f"Proved {show.age(newest.at, now)} ago"
    return [_tile("Invariants broken", broken, note, reverse("admin:proof"), bad=bool(broken))]


def _partitions(request: HttpRequest, now: datetime) -> list[dict[str, Any]]:
    if not request.user.has_perm("django_partition.manage_partitions"):
        return []
    table, reach = min(headroom(now, DEFAULT_DB_ALIAS).items(), key=lambda one: one[1])
    url = reverse("admin:django_partition_partitionedtable_changelist")
    return [_tile("Days of partitions ahead", reach.days, f"The fewest: {table}", url, bad=reach < _SHORT)]


def _shard_table(states: Sequence[ShardState], now: datetime) -> Table:
    return Table(
        "Shards",
        columns("Shard", "Status", "#Waiting", "Oldest waits for", "#Position", "#Epoch", "Taken over (UTC)",
                "#Last drained", "Owner"),
        [
            [
                show.ref(shard, f"Shard {shard.pk}"),
                _takes(state, now),
                show.link(
                    show.list_of(Command, shard=shard.pk, status="pending"),
                    capped(state.backlog.waiting, CAP),
                ),
                lag(state.backlog),
                show.whole(shard.position),
                shard.epoch,
                show.when(shard.taken_at),
                f"{show.age(shard.drained_at, now)} ago" if shard.drained_at else show.NOTHING,
                show.mono(shard.owner),
            ]
            for state in states
            for shard in (state.shard,)
        ],
        empty="No shard exists yet. Run `manage.py seed`.",
    )  # fmt: skip


def _takes(state: ShardState, now: datetime) -> SafeString:
    """Its status, or of one that runs that it takes no new orders."""
    limit = config.shard_lag_limit_seconds
    if state.shard.status == ShardStatus.RUNNING and limit and state.backlog.lag_seconds(now) > limit:
        return show.badge("Takes cancels only: behind", Tone.WARN)
    return trading.shard_status(state.shard)


def _books(state: ShardState) -> Table:
    table = books_table(state.books)
    return Table(f"Books of shard {state.shard.pk}", table.columns, table.rows, empty=table.empty)


def _number(value: float | None, digits: int, unit: str = "") -> object:
    return show.NOTHING if value is None else f"{value:,.{digits}f}".replace(",", "\u202f") + unit


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
