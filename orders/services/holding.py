"""How much of a balance an order must hold, and what fees cost: the arithmetic that keeps funds sufficient.

Fees are rounded once for each order, not once for each fill: after any number of fills an order has been
charged its exact fee so far, rounded up to the asset's unit. With E the exact fee so far, R the higher
of the order's two fee rates and L the open quantity, a buyer holds

    ceil(L * price * (1 + R) + E) - ceil(E)

so that cost so far + hold never exceeds the first hold, and a fill can never find too little.
A seller holds L of the base asset; the fee comes out of what is received.
"""

from __future__ import annotations

from decimal import Decimal

from instruments.scaling import product, round_down, round_up


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
    charge = round_up(total, decimals) - round_up(accrued, decimals)
    income = round_down(total, decimals) - round_down(accrued, decimals)
    return charge, charge - income
