"""What would become of an order if it came now: its refusal, its hold, what trades at once, what waits.

The checks and the hold are intake's own, run in a transaction that is rolled back. What would trade is read
off the visible book: icebergs hide more, and others may come first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.services.posting import Ledger
from instruments.scaling import EXACT, product, round_up
from instruments.selectors import Rules, rules_by_symbol
from orders.metrics import counting_hold_failure
from orders.models import WAITING_TIMES, OrderType, Phase, Side, TimeInForce
from orders.selectors import book_of, depth
from orders.services.book_refs import books_for
from orders.services.conditions import check_order
from orders.services.intake import client_id_conflict, draft_of
from orders.services.looking import identities_of, live_orders
from orders.services.owners import check_may_trade, lock_owners
from orders.services.requests import NewOrder
from orders.services.reserving import reserve
from orders.services.writing import Draft
from risk.services import pretrade

_ZERO = Decimal(0)
# Nobody's order goes through more levels than that.
_LEVELS = 1_000
_REJECTIONS = frozenset({"would_take", "fok_unfillable", "min_quantity"})

Level = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Taken:
    """What would trade at once, and the fee of a taker for it, rounded up as it would be charged."""

    quantity: Decimal = _ZERO
    notional: Decimal = _ZERO
    fee: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class Forecast:
    """`rest` is what would wait (parked or in the book), `rest_fee` its fee if it is filled at its price.

    `held` is what would be held of the asset that it pays with, of which so much is `available` now. `reason`
    is what the book would say where it would not do all that was asked. `duplicate_of` is the order that has
    the same client order id: nothing more would happen. `seq` is that of the book that was looked at.
    """

    rules: Rules
    time_in_force: TimeInForce
    held: Decimal
    available: Decimal
    taken: Taken
    rest: Decimal
    rest_fee: Decimal
    reason: str
    seq: int
    duplicate_of: int | None = None


def forecast(*, order: NewOrder, now: datetime, credential: str = "") -> Forecast:
    """Say what would become of an order sent with this credential. Raises Refusal where placing it would."""
    with counting_hold_failure(), transaction.atomic():
        found = _judged(order, credential, now)
        # Whatever the checks had to write is undone.
        transaction.set_rollback(True)
    return found


def _judged(order: NewOrder, credential: str, now: datetime) -> Forecast:
    """Ask everything that intake asks of an order that comes alone, in its order."""
    account = order.account_id
    owners = lock_owners([account])
    wanted = rules_by_symbol([order.symbol])
    draft = draft_of(0, order, owners, wanted, books_for(wanted.values()))
    rules = draft.rules
    if known := identities_of([draft]).run().get(draft.key):
        order_id, _at, print_ = known
        if print_ != draft.fingerprint:
            raise client_id_conflict(draft.client_order_id)
        nothing = (_ZERO, _ZERO, Taken(), _ZERO, _ZERO, "", 0)
        return Forecast(rules, draft.time_in_force, *nothing, duplicate_of=order_id)
    check_may_trade(owners[account], rules, credential=credential, order_type=order.type)
    check_order(draft, now)
    pretrade.check_open_orders(rules, live_orders([draft]).run()[account, rules.id])
    ledger = Ledger.lock(clients={(account, rules.base_id), (account, rules.quote_id)})
    available = ledger.client(account, rules.quote_id if order.side == Side.BUY else rules.base_id).available
    reserve(draft, ledger)
    return _in_the_book(draft, available)


def _in_the_book(draft: Draft, available: Decimal) -> Forecast:
    """Read off the book what it would answer."""
    rules, order = draft.rules, draft.order
    book, stored = depth(rules, limit=_LEVELS), book_of(rules.id)
    if order.type.is_triggered or (stored is not None and stored.phase != Phase.OPEN):
        taken, rest, reason = Taken(), draft.leaves, ""
    else:
        taken, reason = _walk(draft, book.asks if order.side == Side.BUY else book.bids)
        reason = _answer(draft, taken, reason)
        if reason in _REJECTIONS:
            taken = Taken()
        rest = _ZERO if reason or draft.budget is not None else draft.leaves - taken.quantity
    price = rules.price(draft.price_ticks) if order.type.is_limit_priced else draft.valued_at
    rest_fee = round_up(product(product(rest, price), _rate_of_rest(draft)), rules.quote_decimals)
    return Forecast(
        rules, draft.time_in_force, draft.held, available, taken, rest, rest_fee, reason, book.seq
    )


def _rate_of_rest(draft: Draft) -> Decimal:
    """A limit order waits as a maker; one that trades at market when triggered will be a taker."""
    rules = draft.rules
    return rules.maker_fee if draft.order.type.is_limit_priced else rules.taker_fee


def _walk(draft: Draft, levels: Iterable[Level]) -> tuple[Taken, str]:
    """Take from level after level, as the engine does; and why it goes no further where it wanted more."""
    rules, budget, buy = draft.rules, draft.budget, draft.order.side == Side.BUY
    worst = rules.price(draft.price_ticks)
    quantity = notional = _ZERO
    reason = "no_liquidity"
    for price, shown in levels:
        if (price > worst) if buy else (price < worst):
            reason = "price_protection"
            break
        wanted = _wanted(draft, quantity, notional, price)
        step = min(wanted, shown)
        quantity += step
        notional += product(step, price)
        if step < shown or (step == wanted if budget is None else notional == budget):
            # An amount that buys no lot at all was too small; one that has bought some is used up.
            reason = "" if quantity else "amount_spent"
            break
    fee = round_up(product(notional, rules.taker_fee), rules.quote_decimals)
    return Taken(quantity, notional, fee), reason


def _wanted(draft: Draft, quantity: Decimal, notional: Decimal, price: Decimal) -> Decimal:
    """How much more it would take at this price, having taken so much."""
    if draft.budget is None:
        return draft.leaves - quantity
    lot_size = draft.rules.lot_size
    return product(EXACT.divide_int(draft.budget - notional, product(price, lot_size)), lot_size)


def _answer(draft: Draft, taken: Taken, reason: str) -> str:
    """What the book would say of an order that could take so much; "" where it does all that was asked."""
    order = draft.order
    if order.post_only and taken.quantity:
        return "would_take"
    if order.min_quantity is not None and taken.quantity < order.min_quantity:
        return "min_quantity"
    if draft.time_in_force == TimeInForce.FOK and reason:
        return "fok_unfillable"
    if draft.time_in_force in WAITING_TIMES:
        return ""
    return "ioc_remainder" if reason and order.type != OrderType.MARKET else reason
