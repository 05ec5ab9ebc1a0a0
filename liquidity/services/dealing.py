"""Deal in leveraged positions at the platform's quote: open, close, reverse, and set their exits.

The house takes the other side. Every act is known for ever by (account, request id): sent again it has no
second effect and gives the same deals; with another payload it is a conflict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import models, transaction

from accounts.models import (
    AccountType,
    Deal,
    DealKind,
    DealRequest,
    Direction,
    Position,
    PositionMode,
    TradingAccount,
)
from accounts.services.posting import Cause
from audit.actor import Actor
from audit.services.recording import record
from instruments.models import Realm
from instruments.scaling import short_text
from instruments.selectors import Rules, require_rules
from liquidity.services.breaking_even import break_even_price
from liquidity.services.desk import Desk
from liquidity.services.valuing import average_price
from risk.services.pretrade import check_open
from tradeplatform.common.changes import Seen, require_unmoved
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.valkey import tell_balances_moved

_LEVERAGED = frozenset({AccountType.MARGIN, AccountType.ISLAMIC, AccountType.DEMO})
_MAX_REQUEST_ID = 64


class DealSide(models.TextChoices):
    """What the client does."""

    BUY = "buy", "Buy"
    SELL = "sell", "Sell"


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks for an act on which account, by which id. Operators give a reason, which is recorded."""

    account_id: int
    request_id: str
    actor: Actor
    now: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Exits:
    """Where a position is to be closed: against its owner, in his favour. None means nowhere."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None


NO_EXITS = Exits()


def open_position(
    ask: Ask, *, symbol: str, buys: bool, volume: Decimal, exits: Exits = NO_EXITS
) -> list[Deal]:
    """Buy or sell contracts at the client's price of now. In netting mode it nets with what is held.

    Raises Refusal: unknown_symbol, account_inactive, account_locked, leverage_not_allowed, instrument_*,
    invalid_number, quantity_*, no_price, no_rate, insufficient_margin, price_not_on_tick, exit_price_reached,
    request_id_conflict.
    """
    rules = require_rules(symbol)

    def work(desk: Desk) -> bool:
        check_may_open(desk.account)
        _check_realm(desk.account, rules)
        check_open(rules, waits=False)
        terms = desk.terms[rules.id]
        terms.check_enabled()
        terms.check_volume(volume)
        price = terms.price(buys=buys, now=desk.now)
        direction = Direction.LONG if buys else Direction.SHORT
        rest = volume
        held = desk.held(rules.id) if desk.account.position_mode == PositionMode.NETTING else None
        if held is not None and held.direction != direction:
            part = min(rest, held.volume)
            desk.close(held, part, price, kind=DealKind.CLOSE)
            rest -= part
        position = desk.open(rules.id, direction, rest, price) if rest else held
        if position is not None and exits != NO_EXITS:
            _set_exits(desk, position, exits)
        return bool(rest)

    payload = ("open", symbol, buys, volume, exits.stop_loss, exits.take_profit)
    return _act(ask, payload, work, instruments=[rules.id])


def close_position(ask: Ask, *, position_id: int, volume: Decimal | None = None) -> list[Deal]:
    """Close all of a position, or a part, at the client's price of now. Needs no margin.

    Raises Refusal: position_not_found, position_not_open, quantity_*, no_price, no_rate, request_id_conflict.
    """

    def work(desk: Desk) -> bool:
        position = desk.find(position_id)
        part = _part(desk, position, volume)
        desk.close(position, part, _closing_price(desk, position), kind=DealKind.CLOSE)
        return False

    return _act(ask, ("close", position_id, volume), work)


def close_by(ask: Ask, *, position_id: int, opposite_id: int) -> list[Deal]:
    """Close two opposite positions in one instrument against each other, without the spread.

    The first is closed at the average open price of the other, which is closed at its own: the smaller of the
    two volumes of both. Raises Refusal: as close_position, invalid_combination.
    """

    def work(desk: Desk) -> bool:
        first, second = desk.find(position_id), desk.find(opposite_id)
        if (
            first.instrument_id != second.instrument_id
            or first.direction == second.direction
            or first.contract_size != second.contract_size
        ):
            raise Refusal(
                Code.INVALID_COMBINATION,
                "Two opposite positions in the same instrument close each other.",
                fields={"by": "It is no opposite of this position."},
            )
        part = min(first.volume, second.volume)
        price, proceeds = average_price(second) or part, desk.cost_of(second, part)
        desk.close(first, part, price, kind=DealKind.CLOSE_BY, proceeds=proceeds)
        desk.close(second, part, price, kind=DealKind.CLOSE_BY, proceeds=proceeds)
        return False

    return _act(ask, ("close_by", position_id, opposite_id), work)


def reverse_position(ask: Ask, *, position_id: int) -> list[Deal]:
    """Close a position and open as much the other way, at one price. Raises Refusal: as open_position."""

    def work(desk: Desk) -> bool:
        position = desk.find(position_id)
        check_may_open(desk.account)
        terms = desk.terms[position.instrument_id]
        terms.check_enabled()
        check_open(require_rules(terms.symbol), waits=False)
        volume, price = position.volume, _closing_price(desk, position)
        desk.close(position, volume, price, kind=DealKind.CLOSE)
        desk.open(position.instrument_id, Direction(position.direction).opposite, volume, price)
        return True

    return _act(ask, ("reverse", position_id), work)


def close_all(ask: Ask, *, symbol: str | None = None) -> list[Deal]:
    """Close every position, or those in one instrument: all of them or none.

    Raises Refusal: unknown_symbol, no_price, no_rate, no_change (there is none), request_id_conflict.
    """
    only = None if symbol is None else require_rules(symbol).id

    def work(desk: Desk) -> bool:
        chosen = [held for held in desk.positions.values() if only in {None, held.instrument_id}]
        if not chosen:
            raise Refusal(Code.NO_CHANGE, "There is no open position to close.")
        for position in chosen:
            desk.close(position, position.volume, _closing_price(desk, position), kind=DealKind.CLOSE)
        return False

    return _act(ask, ("close_all", symbol), work)


def amend_exits(
    ask: Ask, *, position_id: int, changes: Mapping[str, Decimal | None], seen: Seen | None = None
) -> None:
    """Set `stop_loss` and `take_profit`; None takes one away, and what is not named stays.

    Raises Refusal: position_not_found, position_not_open, row_changed (they are not as they were `seen`),
    price_not_on_tick, exit_price_reached, no_price, no_change, request_id_conflict.
    """

    def work(desk: Desk) -> bool:
        position = desk.find(position_id)
        if seen is not None:
            require_unmoved(position, seen)
        now = Exits(position.stop_loss, position.take_profit)
        wanted = replace(now, **changes)
        if wanted == now:
            raise Refusal(Code.NO_CHANGE, "Both exits are as asked already.")
        _set_exits(desk, position, wanted)
        return False

    _act(ask, ("exits", position_id, *(part for change in sorted(changes.items()) for part in change)), work)


def break_even(ask: Ask, *, position_id: int) -> None:
    """Move the stop loss to where closing leaves no loss: the average open price and the costs, on a tick.

    Raises Refusal: as amend_exits; no_rate; exit_price_reached while it would bring less than that now.
    """

    def work(desk: Desk) -> bool:
        position = desk.find(position_id)
        _set_exits(desk, position, Exits(break_even_price(desk, position), position.take_profit))
        return False

    _act(ask, ("break_even", position_id), work)


def check_may_open(account: TradingAccount) -> None:
    """Refuse unless the account may open leveraged positions now."""
    if not account.is_active:
        raise Refusal(Code.ACCOUNT_INACTIVE, "This account is closed to trading.")
    if account.is_locked:
        raise Refusal(Code.ACCOUNT_LOCKED, "This account is locked: new positions are denied.")
    if account.type not in _LEVERAGED:
        raise Refusal(
            Code.LEVERAGE_NOT_ALLOWED,
            "A live account trades in cash: leveraged positions need a margin, islamic or demo account.",
            type=account.type,
        )


def _check_realm(account: TradingAccount, rules: Rules) -> None:
    """Refuse real money at play prices. Demo accounts deal at any: theirs follow the live ones."""
    if rules.realm == Realm.DEMO and account.realm != Realm.DEMO:
        raise Refusal(
            Code.WRONG_REALM,
            f"{rules.symbol} is a demo instrument: no real money deals at its price.",
            symbol=rules.symbol,
            instrument=rules.realm,
            account=account.realm,
        )


def _act(
    ask: Ask,
    payload: tuple[object, ...],
    work: Callable[[Desk], bool],
    *,
    instruments: list[int] | None = None,
) -> list[Deal]:
    """Do the work once, in one transaction; `work` says whether it must leave free margin."""
    if not 1 <= len(ask.request_id) <= _MAX_REQUEST_ID or not ask.request_id.isprintable():
        raise Refusal(Code.INVALID_FIELD, "request_id must have 1 to 64 characters.", field="request_id")
    fingerprint = hashlib.sha256("|".join(_plain(part) for part in payload).encode()).hexdigest()
    with transaction.atomic():
        desk = Desk.lock(ask.account_id, now=ask.now, instruments=instruments or [])
        desk.credential = ask.actor.credential
        earlier = DealRequest.objects.filter(account_id=ask.account_id, request_id=ask.request_id).first()
        if earlier is not None:
            return _repeated(earlier, fingerprint)
        needs_margin = work(desk)
        cause = Cause(request_id=ask.request_id, reason=ask.reason, actor_id=ask.actor.user_id)
        deals = desk.settle(cause, needs_margin=needs_margin)
        DealRequest.objects.create(
            account=desk.account,
            request_id=ask.request_id,
            fingerprint=fingerprint,
            at=ask.now,
            deals=len(deals),
            first_deal_id=deals[0].pk if deals else None,
        )
        if ask.reason:
            _record(ask, desk.account, payload, deals)
        if deals:
            transaction.on_commit(lambda: tell_balances_moved(ask.account_id), robust=True)
    return deals


def _repeated(earlier: DealRequest, fingerprint: str) -> list[Deal]:
    """The deals of an earlier request with this id; a conflict when it asked for something else."""
    if earlier.fingerprint != fingerprint:
        raise Refusal(
            Code.REQUEST_ID_CONFLICT,
            "This request id was used for another request: choose a new one.",
            request_id=earlier.request_id,
        )
    if earlier.first_deal_id is None:
        return []
    ids = range(earlier.first_deal_id, earlier.first_deal_id + earlier.deals)
    found = Deal.objects.filter(id__gte=ids.start, at=earlier.at, account_id=earlier.account_id)
    return list(found.filter(request_id=earlier.request_id).order_by("id")[: earlier.deals])


def _part(desk: Desk, position: Position, volume: Decimal | None) -> Decimal:
    """How much of the position is to be closed."""
    whole: Decimal = position.volume
    if volume is None:
        return whole
    desk.terms[position.instrument_id].check_step(volume)
    if volume > whole:
        raise Refusal(
            Code.QUANTITY_TOO_LARGE,
            f"Only {short_text(whole)} contracts are open.",
            volume=short_text(volume),
            max=short_text(whole),
        )
    return volume


def _closing_price(desk: Desk, position: Position) -> Decimal:
    buys = position.direction == Direction.SHORT
    return desk.terms[position.instrument_id].price(buys=buys, now=desk.now)


def _set_exits(desk: Desk, position: Position, exits: Exits) -> None:
    """Set both, unless the price of now would touch one already."""
    price = _closing_price(desk, position)
    terms, long = desk.terms[position.instrument_id], position.direction == Direction.LONG
    for name, exit_price, below in (
        ("stop_loss", exits.stop_loss, long),
        ("take_profit", exits.take_profit, not long),
    ):
        if exit_price is None:
            continue
        terms.check_exit(name, exit_price)
        if not (exit_price < price if below else exit_price > price):
            raise Refusal(
                Code.EXIT_PRICE_REACHED,
                f"A {name.replace('_', ' ')} must be {'below' if below else 'above'} {short_text(price)}, "
                f"at which the position could be closed now: {short_text(exit_price)} is not.",
                field=name,
                price=short_text(price),
            )
    desk.set_exits(position, stop_loss=exits.stop_loss, take_profit=exits.take_profit)


def _plain(part: object) -> str:
    return short_text(part) if isinstance(part, Decimal) else str(part)


def _record(ask: Ask, account: TradingAccount, payload: tuple[object, ...], deals: list[Deal]) -> None:
    verb, *what = payload
    record(
        actor=ask.actor,
        action=f"liquidity.dealing.{verb}",
        target_type="accounts.tradingaccount",
        target_id=account.pk,
        target_label=account.account_number,
        reason=ask.reason,
        after={
            "asked": [None if part is None else _plain(part) for part in what],
            "deals": [deal.pk for deal in deals],
        },
        now=ask.now,
    )
