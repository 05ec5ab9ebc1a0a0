"""The kill switch in the drain: what was pressed takes effect before anything that waits, in its transaction.

An act that the shard has not seen becomes commands of the journal, applied first: its first position is P.
What was accepted before and waits still is refused by the book with the reason `killed`; that it is, is
written into its command, so that a replay of the journal refuses the same. Nobody decides anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tradeengine.codec import EngineEvent

from audit.actor import Actor, ActorKind
from orders.models import Book, CommandKind, EventKind, Order
from orders.services import engine_codes
from orders.services.journal import CommandRow, write_commands
from orders.services.pending import PendingCommand, read_these
from risk.models import KillScope, KillStage
from risk.services.stops import ALL_STOPPED, Stop, credential_of
from tradeplatform.common.db import array, execute, fetch

_KILLED = engine_codes.REASON["killed"]
#: What a stop stands against, where it waits.
REFUSABLE = frozenset({CommandKind.NEW, CommandKind.AMEND})
_MARKET = 2  # as the engine knows it; a triggered order without a limit is one too

# The switches and what this shard has still to do are read in one statement: one cannot be newer.
_STANDING = """
    SELECT s.scope, s.key, s.stage, s.members, e.id, a.stage, a.actor_id, a.actor_label, a.reason
    FROM risk_killswitch s
    LEFT JOIN (orders_killeffect e JOIN risk_killact a ON a.id = e.act_id)
        ON a.switch_id = s.id AND e.shard_id = %s AND e.position IS NULL
    WHERE s.scope = 'global' OR s.stage <> 'open' OR e.id IS NOT NULL ORDER BY e.act_id
"""


@dataclass(frozen=True, slots=True)
class Due:
    """An act that this shard has not seen yet."""

    effect_id: int
    stop: Stop
    actor: Actor
    reason: str


@dataclass(slots=True)
class Effect:
    """What an act comes to on this shard: its place, and the ids of its commands."""

    due: Due
    position: int
    commands: Sequence[int]


@dataclass(slots=True)
class Standing:
    """What is stopped, and what is to be done about it, as of one moment."""

    stops: Sequence[Stop]
    due: Sequence[Due]
    effects: list[Effect] = field(default_factory=list)

    def write_commands(self, *, shard_id: int, position: int, now: datetime) -> list[PendingCommand]:
        """Turn what is due into commands that end the scope's orders; `position` is the shard's."""
        ids: list[int] = []
        for due in self.due:
            rows = _rows(due.stop, shard_id, due.reason) if due.stop.stage == KillStage.STOPPED else []
            written = write_commands(rows, actor=due.actor, now=now) if rows else []
            self.effects.append(Effect(due, position + 1 + len(ids), written))
            ids += written
        return read_these(shard_id, ids) if ids else []

    def refuse(self, commands: Sequence[PendingCommand]) -> list[PendingCommand]:
        """The commands, those that a stop stands against marked as killed, in the journal too."""
        asked = [command for command in commands if command.kind in REFUSABLE] if self.stops else []
        if not asked:
            return list(commands)
        facts = _Facts.read(asked, self.stops)
        killed = {
            command.id for command in asked if any(facts.concerns(stop, command) for stop in self.stops)
        }
        marked = [c._replace(reason_code=_KILLED) if c.id in killed else c for c in commands]
        if killed:
            execute(
                "UPDATE orders_command SET reason_code = %s"
                " FROM unnest(%s::bigint[], %s::timestamptz[]) AS n(id, at)"
                " WHERE orders_command.id = n.id AND orders_command.at = n.at",
                [
                    _KILLED,
                    array(command.id for command in marked if command.id in killed),
                    array(command.at for command in marked if command.id in killed),
                ],
            )
        return marked

    def note_effects(self, events: Iterable[EngineEvent]) -> None:
        """Store where and when each act took effect; the last thing before the shard moves on."""
        if not self.effects:
            return
        ended: dict[int, int] = {}
        for event in events:
            if event.kind == EventKind.CANCELLED:
                ended[event.command_id] = ended.get(event.command_id, 0) + 1
        execute(
            "UPDATE orders_killeffect SET position = n.position, in_effect_at = clock_timestamp(),"
            " commands = n.commands, cancelled = n.cancelled"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[])"
            " AS n(id, position, commands, cancelled) WHERE orders_killeffect.id = n.id",
            [
                array(effect.due.effect_id for effect in self.effects),
                array(effect.position for effect in self.effects),
                array(len(effect.commands) for effect in self.effects),
                array(sum(ended.get(number, 0) for number in effect.commands) for effect in self.effects),
            ],
        )


def read_standing(shard_id: int) -> Standing:
    """What stands against orders of this shard. Must be read after the commands that it is to judge."""
    stops: dict[tuple[str, int], Stop] = {}
    due: list[Due] = []
    for scope, key, stage, members, effect_id, act_stage, actor_id, label, reason in fetch(
        _STANDING, [shard_id], prepared=True
    ):
        stop = Stop(KillScope(scope), key, KillStage(stage), frozenset(members))
        stops[scope, key] = stop
        if effect_id is not None:
            kind = ActorKind.SYSTEM if actor_id is None else ActorKind.USER
            acted = Stop(stop.scope, stop.key, KillStage(act_stage), stop.members)
            due.append(Due(effect_id, acted, Actor(kind, label, actor_id), reason))
    if (KillScope.GLOBAL.value, 0) not in stops:
        stops[KillScope.GLOBAL.value, 0] = ALL_STOPPED
    # Where no new orders are taken, those that were accepted are matched as ever.
    taken = {KillStage.OPEN, KillStage.NO_ORDERS}
    standing = [stop for stop in stops.values() if stop.stage not in taken]
    return Standing(standing, due)


def _rows(stop: Stop, shard_id: int, reason: str) -> list[CommandRow]:
    """The commands that end the orders of a scope: at least one for each of its books on this shard."""
    books = Book.objects.filter(shard_id=shard_id)
    if stop.scope == KillScope.INSTRUMENT:
        books = books.filter(instrument_id=stop.key)
    numbers = list(books.order_by("instrument_id").values_list("instrument_id", flat=True))
    if stop.scope in {KillScope.GLOBAL, KillScope.INSTRUMENT, KillScope.ACCOUNT}:
        account = stop.key if stop.scope == KillScope.ACCOUNT else 0
        return [_mass_cancel(shard_id, number, account, reason) for number in numbers]
    # A book knows neither groups nor keys: it is told whose or which orders, after a mark in each.
    marks = [
        CommandRow(shard_id=shard_id, instrument_id=number, kind=CommandKind.TIME, reason=reason)
        for number in numbers
    ]
    return marks + _cancels(stop, shard_id, numbers, reason)


def _cancels(stop: Stop, shard_id: int, books: Sequence[int], reason: str) -> list[CommandRow]:
    live = Order.objects.in_engine().filter(instrument_id__in=books)
    if stop.scope == KillScope.GROUP:
        of_group = live.filter(account_id__in=stop.members).order_by("instrument_id", "account_id")
        pairs = of_group.values_list("instrument_id", "account_id").distinct()
        return [_mass_cancel(shard_id, number, account, reason) for number, account in pairs]
    of_key = live.filter(credential=credential_of(stop.key)).order_by("instrument_id", "priority")
    return [
        CommandRow(
            shard_id=shard_id,
            instrument_id=number,
            kind=CommandKind.CANCEL,
            order_id=order_id,
            reason_code=_KILLED,
            reason=reason,
        )
        for number, order_id in of_key.values_list("instrument_id", "id")
    ]


def _mass_cancel(shard_id: int, instrument_id: int, account_id: int, reason: str) -> CommandRow:
    return CommandRow(
        shard_id=shard_id,
        instrument_id=instrument_id,
        kind=CommandKind.MASS_CANCEL,
        account_id=account_id,
        reason_code=_KILLED,
        reason=reason,
    )


def of_scope(members: str) -> str:
    """SQL: whether a command `c` is of the scope of a switch `s`, as `_Facts.concerns` has it.

    `members` is the column with those who were in a group when it was stopped.
    """
    return f"""CASE s.scope
        WHEN 'global' THEN true
        WHEN 'instrument' THEN c.instrument_id = s.key
        WHEN 'account' THEN c.account_id = s.key
        WHEN 'group' THEN c.account_id = ANY({members}) OR EXISTS (
            SELECT FROM accounts_tradingaccount t WHERE t.id = c.account_id AND t.group_id = s.key)
        WHEN 'api_key' THEN EXISTS (
            SELECT FROM orders_order o WHERE o.id = c.order_id AND o.credential = 'key:' || s.key)
    END"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class _Facts:
    """What commands do not say of themselves: the groups of their accounts, what their orders came with."""

    groups: dict[int, int | None]
    credentials: dict[int, str]

    @classmethod
    def read(cls, commands: Sequence[PendingCommand], stops: Iterable[Stop]) -> _Facts:
        """Only what the stops ask for: one query for groups, one for credentials."""
        scopes = {stop.scope for stop in stops}
        groups, credentials = {}, {}
        if KillScope.GROUP in scopes:
            accounts = array({command.account_id for command in commands})
            sql = "SELECT id, group_id FROM accounts_tradingaccount WHERE id = ANY(%s::bigint[])"
            groups = dict(fetch(sql, [accounts]))
        if KillScope.API_KEY in scopes:
            orders = array({command.order_id for command in commands})
            sql = "SELECT id, credential FROM orders_order WHERE id = ANY(%s::bigint[])"
            credentials = dict(fetch(sql, [orders]))
        return cls(groups, credentials)

    def concerns(self, stop: Stop, command: PendingCommand) -> bool:
        """Whether the stop stands against this new order or amend."""
        market = command.kind == CommandKind.NEW and command.order_type == _MARKET
        return stop.stands_against(market=market) and self._is_of(stop, command)

    def _is_of(self, stop: Stop, command: PendingCommand) -> bool:
        match stop.scope:
            case KillScope.GLOBAL:
                return True
            case KillScope.INSTRUMENT:
                return command.instrument_id == stop.key
            case KillScope.ACCOUNT:
                return command.account_id == stop.key
            case KillScope.GROUP:
                account = command.account_id
                return account in stop.members or self.groups.get(account) == stop.key
            case KillScope.API_KEY:
                return self.credentials.get(command.order_id) == credential_of(stop.key)
