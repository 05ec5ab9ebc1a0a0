"""The arithmetic of holds and fees: funds stay sufficient to the last unit, rounding costs one at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.scaling import round_down, round_up
from orders.services.holding import Claim, buyer_hold, fee_step, holds_of


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


# 0.1 % of fees, quote in cents, lots of 0.01.
def buy(number: int, leaves: str | int, price: int = 100, **more: Any) -> Claim:
    return claim(number, True, leaves, price, more)


def sell(number: int, leaves: str | int, price: int = 100, **more: Any) -> Claim:
    return claim(number, False, leaves, price, more)


def claim(number: int, buy: bool, leaves: str | int, price: int, more: dict[str, Any]) -> Claim:
    plain = Claim(
        number, buy, Decimal(leaves), Decimal(price), Decimal("0.001"), Decimal(0), 2, Decimal("0.01")
    )
    return plain._replace(**more)


def texts(claims: Sequence[Claim]) -> dict[int, str]:
    return {number: f"{hold.normalize():f}" for number, hold in holds_of(claims).items()}


BRACKET = {"parent_id": 9, "attached": True}
FIRST, SECOND = {"partner_id": 2}, {"partner_id": 1}


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ([buy(1, 3)], {1: "300.3"}),
        ([sell(1, 3)], {1: "3"}),
        # For an amount: the fee on top; the lots that bring it, rounded up.
        ([buy(1, 0, amount=Decimal("50.01"))], {1: "50.07"}),
        ([sell(1, 0, amount=Decimal("50.01"))], {1: "0.51"}),
        ([sell(1, 0, amount=Decimal("50.00"))], {1: "0.5"}),
        # A pair holds the greater need, the lower id its own.
        ([sell(1, 3, **FIRST), sell(2, 3, **SECOND)], {1: "3", 2: "0"}),
        ([sell(1, 3, **FIRST), sell(2, 5, **SECOND)], {1: "3", 2: "2"}),
        ([buy(1, 1, 100, **FIRST), buy(2, 1, 120, **SECOND)], {1: "100.1", 2: "20.02"}),
        ([buy(1, 1, 120, **FIRST), buy(2, 1, 100, **SECOND)], {1: "120.12", 2: "0"}),
        # Two sides pay with two assets; one that names nobody back shares nothing.
        ([sell(1, 3, **FIRST), buy(2, 1, **SECOND)], {1: "3", 2: "100.1"}),
        ([sell(1, 3), sell(2, 3, **SECOND)], {1: "3", 2: "3"}),
        ([sell(2, 3, **SECOND)], {2: "3"}),
        # Its partner has traded or ended: the book will refuse what it has not seen.
        ([sell(2, 3, **SECOND, pending=True)], {2: "0"}),
        ([sell(1, 2), sell(2, 3, **SECOND, pending=True)], {1: "2", 2: "0"}),
        ([sell(1, 3, **FIRST), sell(2, 3, **SECOND, pending=True)], {1: "3", 2: "0"}),
        # Sell children of a buy parent: what its fills are still to bring need not be held.
        ([buy(9, 3), sell(1, 3, parent_id=9)], {9: "300.3", 1: "0"}),
        ([buy(9, 1), sell(1, 3, parent_id=9)], {9: "100.1", 1: "2"}),
        ([sell(1, 3, parent_id=9)], {1: "3"}),
        ([buy(9, 2), sell(1, 3, parent_id=9), sell(2, 3, parent_id=9)], {9: "200.2", 1: "1", 2: "3"}),
        (
            [buy(9, 2), sell(1, 3, parent_id=9, **FIRST), sell(2, 4, parent_id=9, **SECOND)],
            {9: "200.2", 1: "1", 2: "1"},
        ),
        # Attached ones follow the fills: 2 came, 1 is to come.
        (
            [buy(9, 1), sell(1, 2, **BRACKET, **FIRST), sell(2, 2, **BRACKET, **SECOND)],
            {9: "100.1", 1: "2", 2: "0"},
        ),
        ([sell(1, 2, **BRACKET, **FIRST), sell(2, 2, **BRACKET, **SECOND)], {1: "2", 2: "0"}),
        # Buys are paid from the start, by what may become open of them.
        ([sell(9, 1), buy(1, 2, **BRACKET), buy(2, 0, parent_id=8)], {9: "1", 1: "300.3", 2: "0"}),
        ([buy(9, 1), buy(1, 2, parent_id=9)], {9: "100.1", 1: "200.2"}),
    ],
)  # fmt: skip
def test_what_the_orders_of_a_list_hold(claims: list[Claim], expected: dict[int, str]) -> None:
    assert texts(claims) == expected
    assert texts(claims[::-1]) == expected


@st.composite
def families(draw: st.DrawFn) -> list[Claim]:
    """A parent, children attached or not, paired or not, on any side."""
    lots = st.integers(1, 20)
    prices = st.integers(90, 110)
    make = {True: buy, False: sell}
    parent = make[draw(st.booleans())](9, draw(lots), draw(prices))
    attached, paired, child_buys = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    children = [
        make[child_buys](number, 0 if attached else draw(lots), draw(prices), parent_id=9, attached=attached)
        for number in (1, 2)
    ]
    if paired:
        children = [one._replace(partner_id=3 - one.id) for one in children]
    return [parent, *children]


@given(
    families(), st.lists(st.tuples(st.sampled_from(["fill", "reduce", "end"]), st.integers(1, 9)), max_size=8)
)
def test_only_what_a_fill_brings_makes_a_list_need_more(
    family: list[Claim], steps: list[tuple[str, int]]
) -> None:
    def needs(buys: bool) -> Decimal:
        holds = holds_of(family)
        return sum((holds[one.id] for one in family if one.buy == buys), Decimal(0))

    for what, lots in steps:
        before = needs(True), needs(False)
        parent = next((one for one in family if one.id == 9), None)
        if parent is None:
            break
        taken, came = min(Decimal(lots), parent.leaves), Decimal(0)
        children = [one for one in family if one.id != 9]
        if what == "fill":
            came = taken if parent.buy else Decimal(0)
            children = [one._replace(leaves=one.leaves + taken) if one.attached else one for one in children]
        elif what == "end":
            taken = parent.leaves
            children = [one for one in children if one.attached and one.leaves]
        else:
            children = [one for one in children if one.attached]
        rest = parent._replace(leaves=parent.leaves - taken)
        family = [rest, *children] if rest.leaves else children

        assert needs(True) <= before[0]
        assert needs(False) <= before[1] + came
