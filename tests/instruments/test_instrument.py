"""Instruments: steps that make every notional exact, limits that make sense, and a life without changes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, ProgrammingError, transaction

from instruments.models import Asset, Instrument
from instruments.selectors import rules_by_id, rules_by_symbol
from tests.factories import make_asset, make_instrument

pytestmark = pytest.mark.django_db


class TestSteps:
    """tick x lot is a whole number of the quote's units."""

    @pytest.mark.parametrize(
        ("tick", "lot", "decimals"),
        [("0.01", "0.0001", 6), ("1", "1", 0), ("0.5", "0.2", 1), ("1E-9", "1E-9", 18)],
    )
    def test_steps_that_fit_are_taken(self, tick: str, lot: str, decimals: int) -> None:
        quote = make_asset(decimals=decimals)

        found = make_instrument(
            quote=quote, tick_size=Decimal(tick), lot_size=Decimal(lot), min_quantity=Decimal(lot)
        )

        assert found.pk

    @pytest.mark.parametrize(
        ("tick", "lot", "decimals"),
        [("0.01", "0.0001", 5), ("0.1", "1", 0), ("0.5", "0.5", 1), ("0.3", "0.5", 1)],
    )
    def test_steps_too_fine_are_refused(self, tick: str, lot: str, decimals: int) -> None:
        before = Instrument.objects.count()

        with pytest.raises(ValidationError, match="finer than the smallest unit"):
            make_instrument(
                quote=make_asset(decimals=decimals),
                tick_size=Decimal(tick),
                lot_size=Decimal(lot),
                min_quantity=Decimal(lot),
            )

        assert Instrument.objects.count() == before

    @pytest.mark.parametrize("name", ["min_quantity", "max_quantity"])
    def test_quantity_limits_lie_on_a_step(self, name: str) -> None:
        with pytest.raises(ValidationError, match="multiple of the lot size"):
            make_instrument(base=None, quote=None, **{name: Decimal("0.00015")})


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"tick_size": 0}, "tick_positive"),
        ({"lot_size": -1}, "lot_positive"),
        ({"max_quantity": Decimal("0.00005")}, "quantity_range"),
        ({"min_quantity": Decimal("0.00001")}, "quantity_range"),
        ({"min_price": 2, "max_price": 1}, "price_range"),
        ({"min_notional": 2, "max_notional": 1}, "notional_range"),
        ({"maker_fee": 1}, "fee_range"),
        ({"taker_fee": Decimal("-0.001")}, "fee_range"),
        ({"price_band": 0}, "band_range"),
        ({"price_band": 1}, "band_range"),
        ({"reference_price": -1}, "reference_not_negative"),
    ],
)
def test_the_database_refuses_what_makes_no_sense(changes: dict[str, Any], constraint: str) -> None:
    good = make_instrument()
    values = {
        field.attname: getattr(good, field.attname)
        for field in Instrument._meta.concrete_fields
        if field.attname != "id"
    }

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Instrument.objects.create(**(values | {"symbol": "BAD"} | changes))

    assert not Instrument.objects.filter(symbol="BAD").exists()


def test_base_and_quote_differ() -> None:
    instrument = make_instrument()
    instrument.quote = instrument.base

    with pytest.raises(ValidationError, match="instrument_assets_differ"):
        instrument.full_clean()


@pytest.mark.parametrize("column", ["tick_size", "lot_size", "symbol", "base", "quote"])
def test_steps_names_and_assets_are_fixed_for_life(column: str) -> None:
    instrument, other = make_instrument(), make_instrument(tick_size=Decimal(1), lot_size=Decimal("0.00005"))
    before = Instrument.objects.values().get(id=instrument.id)
    value = "NEW" if column == "symbol" else getattr(other, column)

    with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
        Instrument.objects.filter(id=instrument.id).update(**{column: value})

    assert Instrument.objects.values().get(id=instrument.id) == before


def test_an_instrument_is_never_deleted() -> None:
    instrument = make_instrument()

    with pytest.raises(ProgrammingError, match="Cannot delete"), transaction.atomic():
        Instrument.objects.filter(id=instrument.id).delete()

    assert Instrument.objects.filter(id=instrument.id).exists()


def test_asset_codes_are_upper_case_and_decimals_at_most_18() -> None:
    with pytest.raises(IntegrityError, match="asset_code_upper_case"), transaction.atomic():
        Asset.objects.create(code="btc", name="x")
    with pytest.raises(IntegrityError, match="asset_decimals_at_most_18"), transaction.atomic():
        Asset.objects.create(code="X", name="x", decimals=19)


class TestRules:
    """Plain values to compute with."""

    def test_by_symbol_and_by_id_are_the_same(self) -> None:
        instrument = make_instrument()

        by_symbol = rules_by_symbol([instrument.symbol, "NOPE", "", "A\0", "\ud800"])
        assert by_symbol == {instrument.symbol: rules_by_id([instrument.id])[instrument.id]}

    def test_ticks_and_lots_become_prices_and_quantities(self) -> None:
        rules = rules_by_id([(instrument := make_instrument()).id])[instrument.id]

        assert (rules.price(4_999_999), rules.quantity(15_000)) == (Decimal("49999.99"), Decimal("1.5"))
        assert (rules.price_decimals, rules.quantity_decimals) == (2, 4)


@pytest.mark.parametrize("price", ["0.001", "999999999999999999"], ids=["off the tick", "too many ticks"])
def test_a_reference_price_is_a_price_the_engine_can_count(price: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make_instrument(reference_price=Decimal(price))

    assert list(refused.value.message_dict) == ["reference_price"]
