"""The builder: quantity, average price and realised P&L, exactly, through zero; against a naive model."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.history.building import FLAT, Execution, InstrumentMismatchError, NotSortedError, PositionBuilder
from tests.factories import NOW, short
from tests.history.naive import NaivePosition

SIZES = st.integers(-(10**12), 10**12).filter(bool).map(lambda units: Decimal(units).scaleb(-8))
PRICES = st.integers(1, 10**9).map(lambda ticks: Decimal(ticks).scaleb(-4))
TRADES = st.lists(st.tuples(SIZES, PRICES), min_size=1, max_size=40)
UNIT = Fraction(1, 10**18)


def execution(number: int, quantity: object, price: object = 10, *, instrument: int = 1) -> Execution:
    return Execution(
        NOW + timedelta(seconds=number), 3, number, 1, instrument, Decimal(str(quantity)), Decimal(str(price))
    )


def built(*trades: tuple[object, object]) -> PositionBuilder:
    builder = PositionBuilder(1)
    for number, (quantity, price) in enumerate(trades):
        builder.add(execution(number, quantity, price))
    return builder


def said(builder: PositionBuilder) -> tuple[str, str | None, str]:
    standing = builder.standing
    average = standing.average_price
    return short(standing.quantity), None if average is None else short(average), short(standing.realised)


@pytest.mark.parametrize(
    ("trades", "quantity", "average", "realised"),
    [
        ([(2, 100)], "2", "100", "0"),
        ([(2, 100), (1, 130)], "3", "110", "0"),
        ([(2, 100), (1, 130), (-1, 120)], "2", "110", "10"),
        ([(2, 100), (-2, 90)], "0", None, "-20"),
        ([(2, 100), (-5, 110)], "-3", "110", "20"),  # through zero: the rest opens at the price of the flip
        ([(2, 100), (-5, 110), (1, 100)], "-2", "110", "30"),
        ([(-4, 50), (1, 60), (3, 40)], "0", None, "20"),
        ([(3, "0.10"), (-1, "0.10"), (-1, "0.10"), (-1, "0.10")], "0", None, "0"),
        ([(1, 1), (1, 1), (1, 2), (-1, 2)], "2", "1.333333333333333334", "0.666666666666666667"),
    ],
)
def test_quantity_average_and_realised(
    trades: list[tuple[object, object]], quantity: str, average: str | None, realised: str
) -> None:
    assert said(built(*trades)) == (quantity, average, realised)


def test_fees_add_up_beside_the_realised() -> None:
    builder = PositionBuilder(1)
    for number, fee in enumerate(("0.5", "0.25")):
        plain = execution(number, 1)
        builder.add(Execution(plain.at, 3, number, 1, 1, plain.quantity, plain.price, Decimal(fee)))

    assert (short(builder.standing.fees), short(builder.standing.realised)) == ("0.75", "0")


def test_ac_39_an_older_execution_after_a_newer_one_is_not_sorted() -> None:
    builder = built((1, 10), (1, 10))
    before = builder.standing

    with pytest.raises(NotSortedError, match="comes after"):
        builder.add(execution(0, 1))

    assert builder.standing == before


def test_ac_39_executions_of_the_same_time_are_in_order() -> None:
    builder = built((1, 10))

    builder.add(execution(0, 1))

    assert builder.standing.quantity == 2


def test_ac_39_an_execution_of_another_instrument_does_not_match() -> None:
    builder = built((1, 10))

    with pytest.raises(InstrumentMismatchError, match="instrument 2 among those of 1"):
        builder.add(execution(5, 1, instrument=2))

    assert builder.standing.quantity == 1


@given(trades=TRADES)
def test_is_what_fractions_make_of_it(trades: list[tuple[Decimal, Decimal]]) -> None:
    builder, naive = PositionBuilder(1), NaivePosition()
    for number, (quantity, price) in enumerate(trades):
        builder.add(execution(number, quantity, price))
        naive.trade(Fraction(quantity), Fraction(price))
        standing = builder.standing

        assert Fraction(standing.quantity) == naive.quantity
        # Each close rounds once, by half a unit of the eighteenth digit at most.
        assert abs(Fraction(standing.realised) - naive.realised) <= (number + 1) * UNIT / 2
        if not standing.quantity:
            assert not standing.cost
            assert standing.average_price is None
            assert Fraction(standing.realised) == naive.realised


@given(trades=TRADES)
def test_cost_less_realised_is_all_that_was_paid_exactly(trades: list[tuple[Decimal, Decimal]]) -> None:
    standing = built(*trades).standing

    paid = sum((Fraction(quantity) * Fraction(price) for quantity, price in trades), Fraction(0))
    assert Fraction(standing.cost) - Fraction(standing.realised) == paid


@given(trades=TRADES, place=st.integers(0, 40))
def test_may_go_on_from_any_standing(trades: list[tuple[Decimal, Decimal]], place: int) -> None:
    whole = built(*trades).standing
    first = built(*trades[:place]).standing if trades[:place] else FLAT
    second = PositionBuilder(1, first)
    for number, (quantity, price) in enumerate(trades[place:]):
        second.add(execution(number, quantity, price))

    assert second.standing == whole
