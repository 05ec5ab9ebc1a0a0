"""The one place of conversion: exact both ways, rounded only where the name says so, never a float."""

from __future__ import annotations

import threading
import zlib
from decimal import Decimal, Inexact, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.scaling import (
    book_checksum,
    decimals_of,
    product,
    round_down,
    round_up,
    short_text,
    steps,
    steps_above,
    steps_below,
    text,
    times,
)

# What NUMERIC(38, 18) can hold.
STORED = st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(n).scaleb(-18))
STEPS = st.integers(1, 10**24).map(lambda n: Decimal(n).scaleb(-18))


@given(st.integers(0, 2**63 - 1), STEPS)
def test_counting_steps_undoes_taking_them(count: int, step: Decimal) -> None:
    assert steps(times(count, step), step) == count


@given(st.integers(0, 2**62), st.integers(2, 10**24))
def test_what_lies_between_steps_has_no_count(count: int, units: int) -> None:
    step = Decimal(units).scaleb(-18)

    assert steps(times(count, step) + Decimal("1E-18"), step) is None


@given(st.integers(0, 10**38), st.integers(1, 10**24))
def test_whole_steps_lie_closely_around_a_number(units: int, step_units: int) -> None:
    value, step = Decimal(units).scaleb(-18), Decimal(step_units).scaleb(-18)

    below, above = steps_below(value, step), steps_above(value, step)

    assert (below, above) == (units // step_units, -(-units // step_units))
    assert times(below, step) <= value <= times(above, step)


@given(STORED, STORED)
def test_products_of_stored_numbers_are_exact(left: Decimal, right: Decimal) -> None:
    found = product(left, right)

    assert int(found.scaleb(36)) == int(left.scaleb(18)) * int(right.scaleb(18))


def test_a_product_that_cannot_be_exact_is_an_error() -> None:
    with pytest.raises(Inexact):
        product(Decimal("1" * 60), Decimal("3" * 60))


@given(STORED.filter(lambda value: value >= 0), st.integers(0, 18))
def test_rounding_goes_to_the_nearest_unit_of_its_side(value: Decimal, decimals: int) -> None:
    unit = Decimal(1).scaleb(-decimals)
    up, down = round_up(value, decimals), round_down(value, decimals)

    assert down <= value <= up
    assert up - down in {Decimal(0), unit}
    assert steps(up, unit) is not None
    assert steps(down, unit) is not None


@pytest.mark.parametrize(
    ("value", "decimals", "up", "down"),
    [("1.005", 2, "1.01", "1.00"), ("1.00", 2, "1.00", "1.00"), ("0.001", 0, "1", "0"), ("7", 0, "7", "7")],
)
def test_rounding_by_example(value: str, decimals: int, up: str, down: str) -> None:
    assert (str(round_up(Decimal(value), decimals)), str(round_down(Decimal(value), decimals))) == (up, down)


@given(STORED)
def test_short_text_reads_back_and_has_no_exponent(value: Decimal) -> None:
    written = short_text(value)

    assert Decimal(written) == value
    assert "E" not in written
    assert not written.endswith(".")
    assert "." not in written or not written.endswith("0")


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [
        ("50000", 2, "50000.00"),
        ("0E-18", 8, "0.00000000"),
        ("1E+3", 0, "1000"),
        ("0.00000001", 8, "0.00000001"),
        ("12345678901234567890.123456789012345678", 18, "12345678901234567890.123456789012345678"),
    ],
)
def test_text_has_exactly_the_digits_asked_for(value: str, decimals: int, written: str) -> None:
    assert text(Decimal(value), decimals) == written


@pytest.mark.parametrize(
    ("step", "digits"), [("0.01", 2), ("0.0100", 2), ("1", 0), ("5", 0), ("10", 0), ("0.25", 2)]
)
def test_a_step_says_how_many_digits_its_multiples_have(step: str, digits: int) -> None:
    assert decimals_of(Decimal(step)) == digits


def test_the_checksum_is_that_of_the_ten_best_asks_then_bids() -> None:
    asks, bids = [(100 + n, n) for n in range(12)], [(99 - n, n) for n in range(12)]
    written = "".join(f"{price}{quantity}" for price, quantity in asks[:10] + bids[:10])

    assert book_checksum(asks=asks, bids=bids) == zlib.crc32(written.encode())


def test_every_thread_computes_with_enough_digits() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(getcontext().prec))
    thread.start()
    thread.join()

    assert (found, getcontext().prec) == ([80], 80)
