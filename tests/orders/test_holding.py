"""The arithmetic of holds and fees: funds stay sufficient to the last unit, rounding costs one at most."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from instruments.scaling import round_down, round_up
from orders.services.holding import buyer_hold, fee_step


@dataclass(frozen=True)
class Buy:
    """A buy order, and the fills that come to it: (part of what is open, in per mille; price; maker?)."""

    decimals: int
    lots: int
    lot: Decimal
    limit: int
    tick: Decimal
    maker_rate: Decimal
    taker_rate: Decimal
    fills: list[tuple[int, int, bool]]


RATES = st.integers(0, 999_999).map(lambda millionths: Decimal(millionths).scaleb(-6))


@st.composite
def buys(draw: st.DrawFn) -> Buy:
    """Any steps whose product is whole in the quote's units, up to the finest unit there is."""
    decimals = draw(st.integers(0, 18))
    tick_digits = draw(st.integers(0, decimals))
    lot_digits = draw(st.integers(0, decimals - tick_digits))
    limit = draw(st.integers(1, 10**9))
    return Buy(
        decimals=decimals,
        lots=draw(st.integers(1, 10**9)),
        lot=Decimal(1).scaleb(-lot_digits),
        limit=limit,
        tick=Decimal(1).scaleb(-tick_digits),
        maker_rate=draw(RATES),
        taker_rate=draw(RATES),
        fills=draw(
            st.lists(st.tuples(st.integers(1, 1000), st.integers(1, limit), st.booleans()), max_size=12)
        ),
    )


@given(buys())
def test_what_was_paid_and_is_held_never_exceeds_the_first_hold(order: Buy) -> None:
    price, rate = order.limit * order.tick, max(order.maker_rate, order.taker_rate)
    leaves, accrued, paid = order.lots, Decimal(0), Decimal(0)

    def hold() -> Decimal:
        return buyer_hold(
            leaves=leaves * order.lot,
            price=price,
            fee_rate=rate,
            fee_accrued=accrued,
            decimals=order.decimals,
        )

    first = last = hold()
    assert first == round_up(order.lots * order.lot * price * (1 + rate), order.decimals)
    for part, ticks, maker in order.fills:
        lots = max(1, leaves * part // 1000) if leaves else 0
        notional = lots * order.lot * ticks * order.tick
        exact = notional * (order.maker_rate if maker else order.taker_rate)
        charge, _ = fee_step(accrued=accrued, exact=exact, decimals=order.decimals)
        leaves, accrued, paid = leaves - lots, accrued + exact, paid + notional + charge

        assert notional + charge <= last - hold()
        last = hold()

    assert paid + last <= first
    assert (leaves > 0) == (last > 0)


@given(
    st.integers(0, 18), st.lists(st.integers(0, 10**30).map(lambda n: Decimal(n).scaleb(-24)), max_size=30)
)
def test_fees_are_rounded_once_for_each_order(decimals: int, fees: list[Decimal]) -> None:
    accrued = charged = residue = Decimal(0)
    unit = Decimal(1).scaleb(-decimals)
    for exact in fees:
        charge, step = fee_step(accrued=accrued, exact=exact, decimals=decimals)
        assert charge >= 0
        assert abs(step) <= unit
        accrued, charged, residue = accrued + exact, charged + charge, residue + step

        assert charged == round_up(accrued, decimals)
        assert charged - residue == round_down(accrued, decimals)
        assert 0 <= residue <= unit


@given(st.integers(0, 18), RATES, st.integers(1, 10**20), st.integers(0, 10**30))
def test_a_fee_is_never_more_than_what_the_fill_is_worth(
    decimals: int, rate: Decimal, units: int, before: int
) -> None:
    notional = Decimal(units).scaleb(-decimals)

    charge, _ = fee_step(accrued=Decimal(before).scaleb(-24), exact=notional * rate, decimals=decimals)

    assert charge <= notional


def test_a_hold_of_nothing_is_nothing() -> None:
    hold = buyer_hold(
        leaves=Decimal(0), price=Decimal(1), fee_rate=Decimal(0), fee_accrued=Decimal("0.5"), decimals=0
    )

    assert hold == 0
