"""The first page: what the market did in the last minutes, what is behind or stopped, what people did.

Every figure is read by index and bounded; what a person may not see is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from audit.admin.records import actor, target
from audit.models import AuditRecord
from instruments.admin import show as market
from instruments.models import Instrument, InstrumentStatus
from orders.admin import show as trading
from orders.admin.books import last_price, state
from orders.admin.kill_switch import kill_badge, kill_tile
from orders.admin.order_buttons import capped
from orders.admin.shards import lag
from orders.kill_selectors import OnMarkets, on_markets
from orders.models import Book, Command, Fill, Order, Shard, ShardStatus
from orders.services.journal import moment
from orders.shard_selectors import CAP, Backlog, backlogs
from risk.models import KillStage, KillSwitch
from risk.models.kill_switch import PRESSES
from tradeplatform.backoffice.rates import rows_each_minute
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Panel, Table, columns
from tradeplatform.common.db import fetch

MINUTES = 30
_BOOKS, _ACTS, _ACT_DAYS = 12, 10, 90
_ACTIVE = Q(status=InstrumentStatus.ACTIVE)
_STOPPED = {InstrumentStatus.HALTED, InstrumentStatus.MAINTENANCE, InstrumentStatus.CANCEL_ONLY}


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """The values of the first page, as far as this person may see them."""
    may = request.user.has_perm
    now = timezone.now()
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    page: dict[str, Any] = {"charts": [], "tiles": [], "panels": [], "now": show.when(now)}
    if may("orders.view_order"):
        _add_rate(page, "Orders", rows_each_minute(Order, end=end, minutes=MINUTES), end, show.list_of(Order))
    if may("orders.view_trade"):
        trades = [fills // 2 for fills in rows_each_minute(Fill, end=end, minutes=MINUTES)]
        _add_rate(page, "Trades", trades, end, reverse("admin:orders_trade_changelist"))
    if may("orders.view_shard"):
        _add_shards(page, now)
    if may("orders.view_book"):
        page["panels"].append(_books(now))
    if may("risk.view_killswitch"):
        page["tiles"].append(kill_tile())
    if may("instruments.view_instrument"):
        _add_stopped(page)
    if may("audit.view_auditrecord"):
        page["panels"].append(_acts(now))
    return page


def _tile(label: str, value: object, note: object, url: str, tone: str = "") -> dict[str, Any]:
    return {"label": label, "value": value, "note": note, "url": url, "tone": tone}


def _add_rate(page: dict[str, Any], name: str, counts: list[int], end: datetime, url: str) -> None:
    """A tile with the last whole minute, and a chart of all."""
    whole_minute = counts[-2] if len(counts) > 1 else 0
    total = show.whole(sum(counts))
    page["tiles"].append(
        _tile(f"{name} in the last minute", show.whole(whole_minute), f"{total} in {MINUTES} minutes", url)
    )
    peak = max(counts, default=0)
    page["charts"].append(
        {
            "title": f"{name} a minute, the last {MINUTES}",
            "peak": show.whole(peak),
            "none": "" if peak else f"No {name.lower()} in these {MINUTES} minutes.",
            "bars": [
                {
                    "height": f"{count / peak * 100:.1f}" if peak else "0",
                    "label": f"{end - timedelta(minutes=len(counts) - place):%H:%M} UTC: {show.whole(count)}",
                }
                for place, count in enumerate(counts)
            ],
            "first": f"{end - timedelta(minutes=len(counts)):%H:%M}",
            "last": f"{end - timedelta(minutes=1):%H:%M} UTC",
        }
    )


def _add_shards(page: dict[str, Any], now: datetime) -> None:
    """A tile with what waits, and all shards."""
    waiting = backlogs()
    shards = list(Shard.objects.order_by("id"))
    stopped = sum(shard.status == ShardStatus.STOPPED for shard in shards)
    worst = max(waiting.values(), key=lambda backlog: backlog.waiting, default=Backlog(0, None))
    oldest = min((b.oldest for b in waiting.values() if b.oldest), default=None)
    note = lag(Backlog(worst.waiting, oldest))
    url = reverse("admin:orders_shard_changelist")
    page["tiles"].append(
        _tile("Commands waiting on the slowest shard", capped(worst.waiting, CAP), note, url)
    )
    if stopped:
        page["tiles"].append(_tile("Shards stopped", stopped, "Nothing of theirs is applied", url, "bad"))
    page["panels"].append(
        Table(
            "Shards",
            columns("Shard", "Status", "#Waiting", "Oldest waits for", "#Position", "#Last drained"),
            [
                [
                    show.ref(shard, f"Shard {shard.pk}"),
                    trading.shard_status(shard),
                    show.link(
                        show.list_of(Command, shard=shard.pk, status="pending"),
                        capped(waiting.get(shard.pk, Backlog(0, None)).waiting, CAP),
                    ),
                    lag(waiting.get(shard.pk, Backlog(0, None))),
                    show.whole(shard.position),
                    f"{show.age(shard.drained_at, now)} ago" if shard.drained_at else show.NOTHING,
                ]
                for shard in shards
            ],
            empty="No shard exists yet. Run `manage.py seed`.",
        )
    )


def _add_stopped(page: dict[str, Any]) -> None:
    """A tile, and the instruments that do not trade as usual, by their status or by a kill switch."""
    kills = on_markets()
    known = Instrument.objects.select_related("base", "quote").order_by("symbol")
    own = Q(pk__in=list(kills.instruments))
    rows = list(known.exclude(status=InstrumentStatus.DELISTED).filter(~_ACTIVE | own))
    killed = {row.pk for row in rows if kills.instruments.get(row.pk) in PRESSES}
    stopped = killed | {row.pk for row in rows if row.status in _STOPPED}
    if kills.everything in PRESSES:
        value, note = "All", "Everything is stopped by the kill switch"
    else:
        value, note = show.whole(len(stopped)), _note(kills, rows, killed=killed, stopped=stopped)
    # The list of instruments knows nothing of kill switches.
    by_kill = kills.everything in PRESSES or (killed and killed == stopped)
    url = show.list_of(KillSwitch) if by_kill else show.list_of(Instrument, status=InstrumentStatus.HALTED)
    page["tiles"].append(_tile("Instruments stopped", value, note, url, "" if value == "0" else "bad"))
    if rows:
        page["panels"].append(
            Table(
                "Instruments that do not trade as usual now",
                columns("Instrument", "Status", "Market", "Changed (UTC)", "Auction ends (UTC)"),
                [
                    [
                        show.ref(row),
                        show.together([market.status(row), *_own_kill(kills, row)]),
                        trading.market(row),
                        show.when(row.updated_at),
                        show.when(row.auction_ends_at),
                    ]
                    for row in rows
                ],
                empty="",
            )
        )


def _note(kills: OnMarkets, rows: Sequence[Instrument], *, killed: set[int], stopped: set[int]) -> str:
    """By what they are stopped, and what the others do."""
    limited = sum(row.pk in kills.instruments and row.pk not in stopped for row in rows)
    resting = len(rows) - len(stopped) - limited
    parts = [
        *([f"{len(killed)} by kill switch"] if killed else []),
        *([f"{limited} with limit orders only"] if limited else []),
        *([f"{resting} more are closed or collect orders"] if resting else []),
    ]
    if kills.everything != KillStage.OPEN:
        parts.append("all others take limit orders only")
    elif not resting:
        parts.append("all others are active" if rows else "all are active")
    return capfirst("; ".join(parts))


def _own_kill(kills: OnMarkets, row: Instrument) -> list[SafeString]:
    stage = kills.instruments.get(row.pk)
    return [] if stage is None else [kill_badge(stage)]


def _books(now: datetime) -> Panel:
    """The books that moved last."""
    books = Book.objects.filter(seq__gt=0).select_related("instrument__base", "instrument__quote", "shard")
    return Table(
        "Markets that moved last",
        columns("Market", "Engine", "#Last price", "#Seq", "#Last event"),
        [
            [
                trading.market(book.instrument),
                state(book),
                last_price(book),
                show.ref(book, show.whole(book.seq)),
                f"{show.age(moment(book.last_time), now)} ago",
            ]
            for book in books.order_by("-last_time")[:_BOOKS]
        ],
        empty="No market has moved yet: send an order, or run `manage.py simulate`.",
    )


# The newest of each operator by an index, however much clients have done since.
_ACTS_OF_STAFF = """
    SELECT act.id, act.at FROM accounts_user u CROSS JOIN LATERAL (
        SELECT r.id, r.at FROM audit_auditrecord r
        WHERE r.actor_id = u.id AND r.actor_kind = 'user' AND r.at >= %s
            AND r.action NOT LIKE 'accounts.session.%%'
        ORDER BY r.at DESC LIMIT %s
    ) act WHERE u.is_staff ORDER BY act.at DESC, act.id DESC LIMIT %s"""


def _acts(now: datetime) -> Panel:
    """What operators did by hand, newest first; what clients ask for by themselves would push it out."""
    found = fetch(_ACTS_OF_STAFF, [now - timedelta(days=_ACT_DAYS), _ACTS, _ACTS])
    ids, moments = [number for number, _at in found], [at for _number, at in found]
    records = AuditRecord.objects.filter(id__in=ids, at__in=moments).order_by("-at", "-id")
    return Table(
        "Latest acts by hand",
        columns("When (UTC)", "Who", "Action", "On what", "Reason"),
        [
            [
                show.link(show.page_of(record, record.pk), show.when(record.at)),
                actor(record),
                record.action,
                target(record),
                show.short(record.reason) or show.NOTHING,
            ]
            for record in records
        ],
        empty="Nobody has done anything by hand lately.",
        more=(reverse("admin:audit_auditrecord_changelist"), "The whole audit trail"),
    )
