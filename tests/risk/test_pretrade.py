"""Pre-trade checks on plain values: each code at its exact edge, with the numbers that explain it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.models import InstrumentStatus
from instruments.selectors import Rules
from risk.services import pretrade
from tradeplatform.common.errors import Code, Refusal

RULES = Rules(
    id=1,
    symbol="BTC-USDT",
    status=InstrumentStatus.ACTIVE,
    base_id=1,
    base_code="BTC",
    base_decimals=8,
    quote_id=2,
    quote_code="USDT",
    quote_decimals=8,
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.0001"),
    min_price=Decimal(10),
    max_price=Decimal(90000),
    min_quantity=Decimal("0.0001"),
    max_quantity=Decimal(1000),
    min_notional=Decimal(5),
    max_notional=Decimal(1_000_000),
    price_band=Decimal("0.1"),
    reference_price=Decimal(50000),
    max_open_orders=200,
    maker_fee=Decimal("0.0005"),
    taker_fee=Decimal("0.001"),
    auction_seconds=0,
    day_ends_at=time(0),
    realm="live",
)


def refusal(check: Callable[[], Any]) -> tuple[Code, dict[str, Any]]:
    with pytest.raises(Refusal) as caught:
        check()
    return caught.value.code, caught.value.context


class TestQuantity:
    """In lots."""

    @pytest.mark.parametrize(("quantity", "lots"), [("0.0001", 1), ("1", 10_000), ("1000", 10_000_000)])
    def test_edges_are_allowed(self, quantity: str, lots: int) -> None:
        assert pretrade.check_quantity(RULES, Decimal(quantity)) == lots

    @pytest.mark.parametrize(
        ("quantity", "code", "context"),
        [
            ("0.00009", Code.QUANTITY_TOO_SMALL, {"quantity": "0.00009", "minimum": "0.0001"}),
            ("1000.0001", Code.QUANTITY_TOO_LARGE, {"quantity": "1000.0001", "maximum": "1000"}),
            ("0.00011", Code.QUANTITY_NOT_ON_STEP, {"quantity": "0.00011", "step": "0.0001"}),
        ],
    )
    def test_beyond_them_is_refused(self, quantity: str, code: Code, context: dict[str, str]) -> None:
        assert refusal(lambda: pretrade.check_quantity(RULES, Decimal(quantity))) == (
            code,
            {"symbol": "BTC-USDT"} | context,
        )

    def test_more_lots_than_the_engine_counts_are_refused(self) -> None:
        fine = replace(RULES, lot_size=Decimal("1E-18"), max_quantity=Decimal(10) ** 18)

        assert pretrade.check_quantity(fine, Decimal("9.223372036854775807")) == 2**63 - 1
        code, _ = refusal(lambda: pretrade.check_quantity(fine, Decimal("9.223372036854775808")))
        assert code == Code.QUANTITY_NOT_ON_STEP


class TestPrice:
    """In ticks, within the range and the band."""

    @pytest.mark.parametrize("price", ["45000", "50000.01", "55000"])
    def test_edges_are_allowed(self, price: str) -> None:
        assert pretrade.check_price(RULES, Decimal(price), Decimal(50000)) == int(Decimal(price) * 100)

    @pytest.mark.parametrize(
        ("price", "code"),
        [
            ("9.99", Code.PRICE_OUT_OF_RANGE),
            ("90000.01", Code.PRICE_OUT_OF_RANGE),
            ("50000.005", Code.PRICE_NOT_ON_TICK),
            ("44999.99", Code.PRICE_OUT_OF_BAND),
            ("55000.01", Code.PRICE_OUT_OF_BAND),
        ],
    )
    def test_beyond_them_is_refused(self, price: str, code: Code) -> None:
        found, context = refusal(lambda: pretrade.check_price(RULES, Decimal(price), Decimal(50000)))

        assert (found, context["price"]) == (code, price)

    def test_without_a_reference_there_is_no_band(self) -> None:
        assert pretrade.check_price(RULES, Decimal(90000), Decimal(0)) == 9_000_000

    def test_without_limits_there_is_no_range(self) -> None:
        free = replace(RULES, min_price=Decimal(0), max_price=Decimal(0))

        assert pretrade.check_price(free, Decimal("0.01"), Decimal(0)) == 1
        assert pretrade.check_price(free, Decimal(10) ** 9, Decimal(0)) == 10**11


class TestTriggerPrice:
    """Within the range and on the tick, however far from the market."""

    @pytest.mark.parametrize("price", ["10", "50000.01", "90000"])
    def test_may_be_far_away(self, price: str) -> None:
        ticks = pretrade.check_range(RULES, Decimal(price), field="trigger_price")

        assert ticks == int(Decimal(price) * 100)

    @pytest.mark.parametrize(
        ("price", "code"),
        [
            ("9.99", Code.PRICE_OUT_OF_RANGE),
            ("90000.01", Code.PRICE_OUT_OF_RANGE),
            ("50000.005", Code.PRICE_NOT_ON_TICK),
        ],
    )
    def test_beyond_is_refused_by_its_own_name(self, price: str, code: Code) -> None:
        found, context = refusal(lambda: pretrade.check_range(RULES, Decimal(price), field="trigger_price"))

        assert (found, context["trigger_price"]) == (code, price)

    @pytest.mark.parametrize("distance", ["0.001", "1E+17"], ids=["between ticks", "past 64 bits"])
    def test_a_distance_is_whole_ticks(self, distance: str) -> None:
        found, context = refusal(lambda: pretrade.check_ticks(RULES, Decimal(distance), field="trail_amount"))

        assert (found, context["tick"]) == (Code.PRICE_NOT_ON_TICK, "0.01")


class TestSlices:
    """An iceberg shows itself in at most a thousand of them."""

    @pytest.mark.parametrize(("lots", "shown"), [(1_000, 1), (999_000, 999), (10**18, 0), (1, 1)])
    def test_so_many_are_allowed(self, lots: int, shown: int) -> None:
        pretrade.check_slices(RULES, lots=lots, shown_lots=shown)

    @pytest.mark.parametrize(
        ("lots", "shown", "least"), [(1_001, 1, "0.0002"), (2**62, 1, "461168601842.7388")]
    )
    def test_one_more_is_refused_with_the_least_to_show(self, lots: int, shown: int, least: str) -> None:
        found, context = refusal(lambda: pretrade.check_slices(RULES, lots=lots, shown_lots=shown))

        assert (found, context["minimum"]) == (Code.DISPLAY_QUANTITY_TOO_SMALL, least)
        pretrade.check_slices(RULES, lots=lots, shown_lots=int(Decimal(least) * 10_000))

    def test_a_part_is_whole_lots(self) -> None:
        assert pretrade.check_lots(RULES, Decimal("0.5"), field="display_quantity") == 5_000
        found, context = refusal(lambda: pretrade.check_lots(RULES, Decimal("0.00005"), field="min_quantity"))
        assert (found, context["min_quantity"]) == (Code.QUANTITY_NOT_ON_STEP, "0.00005")


@given(
    st.integers(1, 10**12).map(RULES.price),
    st.integers(1, 999_999).map(lambda n: Decimal(n).scaleb(-6)),
    st.booleans(),
)
def test_a_market_order_is_protected_within_the_band_and_at_a_tick(
    reference: Decimal, band: Decimal, buy: bool
) -> None:
    rules = replace(RULES, price_band=band)

    price = rules.price(pretrade.protection_ticks(rules, buy=buy, reference=reference))

    tick, low, high = rules.tick_size, reference * (1 - band), reference * (1 + band)
    if buy:
        assert price <= high < price + tick
    else:
        assert price - tick < low <= price


@pytest.mark.parametrize("reference", ["0.001", "999999999999999999"], ids=["below a tick", "past 64 bits"])
def test_a_market_order_is_not_taken_on_a_reference_that_is_no_price(reference: str) -> None:
    found = refusal(lambda: pretrade.protection_ticks(RULES, buy=True, reference=Decimal(reference)))

    assert found == (Code.NO_REFERENCE_PRICE, {"symbol": "BTC-USDT", "reference": reference})


def test_a_market_order_without_a_reference_is_refused() -> None:
    assert refusal(lambda: pretrade.protection_ticks(RULES, buy=True, reference=Decimal(0))) == (
        Code.NO_REFERENCE_PRICE,
        {"symbol": "BTC-USDT"},
    )


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ("0.0001", None),
        ("0.00009999", Code.NOTIONAL_TOO_SMALL),
        ("20", None),
        ("20.0001", Code.NOTIONAL_TOO_LARGE),
    ],
)
def test_the_value_of_an_order_has_edges(quantity: str, code: Code | None) -> None:
    def check() -> None:
        pretrade.check_notional(RULES, price=Decimal(50000), quantity=Decimal(quantity))

    if code is None:
        check()
    else:
        assert refusal(check)[0] == code


def test_without_a_limit_the_value_is_still_bounded() -> None:
    rules = replace(RULES, max_notional=Decimal(0))

    code, context = refusal(
        lambda: pretrade.check_notional(rules, price=Decimal(10) ** 9, quantity=Decimal(10) ** 9)
    )

    assert (code, context["maximum"]) == (Code.NOTIONAL_TOO_LARGE, "1" + "0" * 18)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (InstrumentStatus.HALTED, Code.INSTRUMENT_HALTED),
        (InstrumentStatus.MAINTENANCE, Code.INSTRUMENT_MAINTENANCE),
        (InstrumentStatus.DELISTED, Code.INSTRUMENT_DELISTED),
        (InstrumentStatus.CANCEL_ONLY, Code.INSTRUMENT_CANCEL_ONLY),
        (InstrumentStatus.CLOSED, Code.INSTRUMENT_CLOSED),
    ],
)
def test_a_closed_instrument_says_how(status: InstrumentStatus, code: Code) -> None:
    pretrade.check_open(RULES)

    assert refusal(lambda: pretrade.check_open(replace(RULES, status=status))) == (
        code,
        {"symbol": "BTC-USDT", "status": status.value},
    )


@pytest.mark.parametrize("status", [InstrumentStatus.PRE_OPEN, InstrumentStatus.AUCTION])
def test_an_instrument_that_gathers_orders_takes_those_that_wait(status: InstrumentStatus) -> None:
    rules = replace(RULES, status=status)
    pretrade.check_open(rules, waits=True)

    assert refusal(lambda: pretrade.check_open(rules, waits=False)) == (
        Code.NOT_IN_AUCTION,
        {"symbol": "BTC-USDT", "status": status.value},
    )


@pytest.mark.parametrize("status", InstrumentStatus)
def test_every_status_is_judged(status: InstrumentStatus) -> None:
    """One that nobody has thought of here must not pass as open."""
    takes = {InstrumentStatus.ACTIVE, InstrumentStatus.PRE_OPEN, InstrumentStatus.AUCTION}
    rules = replace(RULES, status=status)

    if status in takes:
        pretrade.check_open(rules)
    else:
        refusal(lambda: pretrade.check_open(rules))


def test_open_orders_are_counted_up_to_the_limit() -> None:
    pretrade.check_open_orders(RULES, 199)

    assert refusal(lambda: pretrade.check_open_orders(RULES, 200)) == (
        Code.TOO_MANY_OPEN_ORDERS,
        {"symbol": "BTC-USDT", "open_orders": 200, "maximum": 200},
    )


@pytest.mark.parametrize(
    "value",
    ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "0", "-0", "0E+9", "-1E-18", "1E+18", "1E+999999999"],
)
def test_what_is_no_number_is_refused_before_anything_is_computed(value: str) -> None:
    assert refusal(lambda: pretrade.check_number("price", Decimal(value))) == (
        Code.INVALID_NUMBER,
        {"field": "price"},
    )


@pytest.mark.parametrize("value", ["1E-18", "999999999999999999.999999999999999999", "1E+17"])
def test_the_widest_numbers_are_allowed(value: str) -> None:
    pretrade.check_number("price", Decimal(value))
