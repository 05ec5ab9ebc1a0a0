"""How much of a balance an order must hold, and what fees cost: the arithmetic that keeps funds sufficient.

Fees are rounded once for each order, not once for each fill: after any number of fills an order has been
charged its exact fee so far, rounded up to the asset's unit. With E the exact fee so far, R the higher
of the order's two fee rates and L the open quantity, a buyer holds

    ceil(L * price * (1 + R) + E) - ceil(E)

so that cost so far + hold never exceeds the first hold, and a fill can never find too little.
A seller holds L of the base asset; the fee comes out of what is received. Orders that wait for a trigger or
for their parent need the same, at their worst price. An order for an amount A of quote: a buyer holds
ceil(A * (1 + R)); a seller the lots that bring A at his protection price.

Orders of one list (`list_id`) share what they need, see `holds_of`:

- *A pair* (each names the other as partner) of one side holds the greater of the two needs: only one of them
  can ever trade. The order with the lower id holds its own need, the other what it needs beyond that. One
  that the book is still to see when its partner has traded or ended holds nothing: the book will refuse it.
- *A child* of a parent that lives and is yet to be filled: an attached order needs what is open of it and of
  its parent together, because each fill of the parent becomes open quantity of the child.
- *A sell child of a buy parent* needs less by what is open of its parent: a fill brings as much of the base
  asset as it adds to the child's hold. Children of one parent take of that in order of id, a pair once.

So only two things make a list need more: an amendment, which has reserved it, and a fill, which has brought
it. Intake keeps that true: orders of a list are one account's in one instrument, children have no children,
and an order for an amount or one that only reduces has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from instruments.scaling import EXACT, product, round_up, unit
from orders.models import Link, Order, OrderStatus, Side

if TYPE_CHECKING:
    from orders.services.order_state import OrderState

_ZERO = Decimal(0)


class Claim(NamedTuple):
    """A live order, as far as its hold depends on it. `price` is the worst it can be made to trade at.

    `decimals` are those of the quote asset; `amount` is that of an order for an amount of quote, else None.
    """

    id: int
    buy: bool
    leaves: Decimal
    price: Decimal
    fee_rate: Decimal
    fee_accrued: Decimal
    decimals: int
    lot_size: Decimal
    amount: Decimal | None = None
    attached: bool = False
    parent_id: int = 0
    partner_id: int = 0
    pending: bool = False


def claim_of(order: Order | OrderState, *, decimals: int, lot_size: Decimal) -> Claim:
    """An order's claim; `decimals` are those of the quote asset."""
    price = order.price if order.price is not None else order.protection_price
    if price is None:
        raise ValueError(f"order {order.id} has neither price nor protection price")
    return Claim(
        order.id,
        order.side == Side.BUY,
        order.leaves,
        price,
        max(order.maker_fee_rate, order.taker_fee_rate),
        order.fee_accrued,
        decimals,
        lot_size,
        order.quote_quantity,
        order.link == Link.ATTACHED,
        order.parent_id,
        order.partner_id,
        order.status == OrderStatus.PENDING,
    )


def hold_alone(claim: Claim) -> Decimal:
    """What an order must hold that belongs to no list: quote for a buy, base for a sell."""
    return _need(claim, {})


def holds_of(claims: Iterable[Claim]) -> dict[int, Decimal]:
    """What each live order of one list must hold; what is left out is taken to have ended."""
    by_id = {claim.id: claim for claim in claims}
    holds: dict[int, Decimal] = {}
    brings = {claim.id: claim.leaves for claim in by_id.values() if claim.buy}
    for number in sorted(by_id):
        claim = by_id[number]
        if number in holds:
            continue
        need, partner = _need(claim, by_id), by_id.get(claim.partner_id)
        if partner is not None and partner.partner_id != number:
            partner = None
        if partner is None and claim.partner_id and claim.pending:
            holds[number] = _ZERO
            continue
        if partner is None or partner.buy != claim.buy:
            holds[number] = need - _brought(claim, need, brings)
            continue
        # It has the lower id: its partner would have been here before it.
        greater = max(need, _need(partner, by_id))
        rest = greater - _brought(claim, greater, brings)
        holds[number] = max(_ZERO, need - (greater - rest))
        holds[partner.id] = rest - holds[number]
    return holds


def _need(claim: Claim, by_id: dict[int, Claim]) -> Decimal:
    """What an order needs by itself for all that may become open of it."""
    if claim.amount is not None:
        return _amount_need(claim, claim.amount)
    leaves = claim.leaves
    if claim.attached and claim.parent_id in by_id:
        leaves = leaves + by_id[claim.parent_id].leaves
    if not claim.buy:
        return leaves
    return buyer_hold(
        leaves=leaves,
        price=claim.price,
        fee_rate=claim.fee_rate,
        fee_accrued=claim.fee_accrued,
        decimals=claim.decimals,
    )


def _amount_need(claim: Claim, amount: Decimal) -> Decimal:
    if claim.buy:
        return round_up(product(amount, 1 + claim.fee_rate), claim.decimals)
    value = product(claim.price, claim.lot_size)
    lots = EXACT.divide_int(amount, value)
    if product(lots, value) < amount:
        lots += 1
    return product(lots, claim.lot_size)


def _brought(claim: Claim, need: Decimal, brings: dict[int, Decimal]) -> Decimal:
    """How much of a need the parent's fills are still to bring; it is then spoken for."""
    if claim.buy or claim.parent_id not in brings:
        return _ZERO
    brought = min(need, brings[claim.parent_id])
    brings[claim.parent_id] -= brought
    return brought


def buyer_hold(
    *, leaves: Decimal, price: Decimal, fee_rate: Decimal, fee_accrued: Decimal, decimals: int
) -> Decimal:
    """What a buy order with `leaves` open at `price` must hold of the quote asset."""
    if not leaves:
        return Decimal(0)
    worst = product(product(leaves, price), 1 + fee_rate)
    return round_up(worst + fee_accrued, decimals) - round_up(fee_accrued, decimals)


def fee_step(*, accrued: Decimal, exact: Decimal, decimals: int) -> tuple[Decimal, Decimal]:
    """What a fill with the `exact` fee adds to (the client's charge, the rounding account).

    The client's charge so far is the exact fee rounded up, the house's income the exact fee rounded down;
    the difference, at most one unit for each order, stays in the rounding account. Its step may be negative.
    """
    total = accrued + exact
    before, after = round_up(accrued, decimals), round_up(total, decimals)
    # What is not a whole number of units is one unit less when it is rounded down.
    return after - before, ((after != total) - (before != accrued)) * unit(decimals)
