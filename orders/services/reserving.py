"""Reserve what new orders and amendments may cost; refuse them when that is not available."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from accounts.services.posting import Ledger
from instruments.scaling import short_text, steps_below
from instruments.selectors import Rules
from orders.models import Link, Order, Side
from orders.services.holding import Claim, buyer_hold, claim_of, holds_of
from orders.services.writing import Draft
from tradeplatform.common.errors import Code, Refusal

_ZERO = Decimal(0)
# The name of an order that has none yet, where only one is looked at.
_ALONE = 1


def reserve(draft: Draft, ledger: Ledger) -> None:
    """Hold what an order that stands alone may cost. Raises insufficient_funds, reduce_only."""
    if draft.order.reduce_only:
        _limit_to_position(draft, ledger)
    draft.held = holds_of([_claim(draft, number=_ALONE)])[_ALONE]
    _take(draft.rules, draft.order.account_id, Side(draft.order.side), draft.held, ledger)


def reserve_list(drafts: Sequence[Draft], ledger: Ledger) -> None:
    """Hold what the numbered orders of one list may cost together. Raises insufficient_funds, reduce_only."""
    for draft in drafts:
        if draft.order.reduce_only:
            _limit_to_position(draft, ledger)
    holds = holds_of(_claim(draft, number=draft.order_id) for draft in drafts)
    totals: dict[Side, Decimal] = defaultdict(Decimal)
    for draft in drafts:
        draft.held = holds[draft.order_id]
        totals[Side(draft.order.side)] += draft.held
    for side, amount in totals.items():
        _take(drafts[0].rules, drafts[0].order.account_id, side, amount, ledger)


def reserve_extra(
    order: Order,
    rules: Rules,
    ledger: Ledger,
    *,
    listed: Sequence[Order],
    price: Decimal,
    quantity: Decimal | None,
) -> Decimal:
    """Hold what the amended order may need beyond the order's own hold, whatever fills come in between.

    Fills at the old price before the amend is applied take their share of the old hold with them, so the
    part of the quantity that is new must be covered at the new price by itself as well. The first fill of
    one of a pair ends the other, whose share of the hold is then gone: what the order needs without its
    partner is covered too. `listed` are the live orders of its list, itself included.
    """
    buy = order.side == Side.BUY
    now = [_stored_claim(one, rules) for one in listed or [order]]
    (mine,) = (claim for claim in now if claim.id == order.id)
    leaves = mine.leaves if quantity is None else quantity - order.filled - order.prevented
    changed = mine._replace(price=price, leaves=leaves)
    grown = max(_ZERO, leaves - mine.leaves)

    def together(claim: Claim) -> Decimal:
        holds = holds_of([claim if other.id == claim.id else other for other in now])
        return sum((holds[other.id] for other in now if other.buy == buy), _ZERO)

    def without_partner(claim: Claim) -> Decimal:
        single = claim._replace(partner_id=0)
        return holds_of([single, *(other for other in now if other.id == claim.parent_id)])[claim.id]

    held = sum((one.held for one in listed or [order] if one.side == order.side), _ZERO)
    extra = max(
        together(changed) - held,
        without_partner(changed) - without_partner(mine),
        _cost(changed, grown),
    )
    if extra <= 0:
        return _ZERO
    if buy:
        # One unit covers the rounding of fees that fills in between may add.
        extra += Decimal(1).scaleb(-rules.quote_decimals)
    _take(rules, order.account_id, Side(order.side), extra, ledger)
    return extra


def _take(rules: Rules, account_id: int, side: Side, amount: Decimal, ledger: Ledger) -> None:
    """Hold an amount of what orders of this side pay with. Raises insufficient_funds."""
    buy = side == Side.BUY
    account = ledger.client(account_id, rules.quote_id if buy else rules.base_id)
    if account.available < amount:
        asset = rules.quote_code if buy else rules.base_code
        raise Refusal(
            Code.INSUFFICIENT_FUNDS,
            f"This order needs {short_text(amount)} {asset}, fees included; "
            f"{short_text(account.available)} is available.",
            asset=asset,
            required=short_text(amount),
            available=short_text(account.available),
        )
    ledger.hold(account, amount)


def _limit_to_position(draft: Draft, ledger: Ledger) -> None:
    """Tell a reduce-only sell how many lots it may sell: what is available of the base asset now."""
    rules = draft.rules
    available = ledger.client(draft.order.account_id, rules.base_id).available
    lots = steps_below(available, rules.lot_size)
    if not lots:
        raise Refusal(
            Code.REDUCE_ONLY,
            f"There is no {rules.base_code} available that this order would sell.",
            asset=rules.base_code,
            available=short_text(available),
        )
    draft.terms = draft.terms._replace(position_limit=lots)


def _claim(draft: Draft, *, number: int) -> Claim:
    rules = draft.rules
    return Claim(
        number,
        draft.order.side == Side.BUY,
        draft.leaves,
        rules.price(draft.price_ticks),
        max(rules.maker_fee, rules.taker_fee),
        _ZERO,
        rules.quote_decimals,
        rules.lot_size,
        draft.budget,
        draft.link == Link.ATTACHED,
        draft.parent.order_id if draft.parent else 0,
        draft.partner.order_id if draft.partner else 0,
    )


def _stored_claim(order: Order, rules: Rules) -> Claim:
    return claim_of(order, decimals=rules.quote_decimals, lot_size=rules.lot_size)


def _cost(claim: Claim, quantity: Decimal) -> Decimal:
    """What a part of an order costs at its price."""
    if not claim.buy:
        return quantity
    return buyer_hold(
        leaves=quantity,
        price=claim.price,
        fee_rate=claim.fee_rate,
        fee_accrued=claim.fee_accrued,
        decimals=claim.decimals,
    )
