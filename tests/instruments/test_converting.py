"""Conversion: the path, the side, the age, and one rounding; checked against fractions."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.models import Asset
from instruments.services.converting import (
    BRIDGES,
    MAX_AGE,
    RATE_DECIMALS,
    Pair,
    Purpose,
    Rates,
    convert,
    load_rates,
)
from instruments.services.pricing import NewQuote, record_quotes
from tests.factories import NOW, make_asset, make_instrument, short
from tradeplatform.common.errors import Code, Refusal

DECIMALS = {"USD": 2, "EUR": 2, "JPY": 0, "GBP": 2, "XAU": 4, "BTC": 8, "USDT": 6}
DEALING, LIMIT, VALUATION = Purpose


def pair(base: str, quote: str, bid: str, ask: str, at: datetime = NOW) -> Pair:
    return Pair(base, quote, Decimal(bid), Decimal(ask), at)


RATES = Rates(
    NOW,
    [
        pair("EUR", "USD", "1.1000", "1.1002"),
        pair("USD", "JPY", "150.00", "150.02"),
        pair("XAU", "USD", "2400", "2401"),
        pair("BTC", "EUR", "45000", "45010"),
    ],
    DECIMALS,
)


def converted(amount: str, source: str, target: str, purpose: Purpose = DEALING, rates: Rates = RATES) -> str:
    return short(rates.convert(Decimal(amount), source, target, purpose=purpose).amount)


@pytest.mark.parametrize(
    ("amount", "source", "target", "expected"),
    [
        # Direct: sold at bid, bought at ask.
        ("100", "EUR", "USD", "110"),
        ("-100", "EUR", "USD", "-110.02"),
        # Inverse: who sells dollars buys euros at ask; who owes dollars sells euros at bid.
        ("110.02", "USD", "EUR", "100"),
        ("-110", "USD", "EUR", "-100"),
        ("150020", "JPY", "USD", "1000"),
        ("-150000", "JPY", "USD", "-1000"),
        # Through USD, though JPY has no instrument with EUR or gold.
        ("1", "XAU", "EUR", "2181.42"),
        ("-1", "XAU", "EUR", "-2182.73"),
        ("100", "EUR", "JPY", "16500"),
        # Through EUR: bitcoin has an instrument with nothing else.
        ("1", "BTC", "USD", "49500"),
        # The same asset, finer than its unit.
        ("2.345", "USD", "USD", "2.34"),
        ("2.355", "USD", "USD", "2.36"),
    ],
)
def test_where_money_moves(amount: str, source: str, target: str, expected: str) -> None:
    assert converted(amount, source, target) == expected


@pytest.mark.parametrize(
    ("amount", "source", "target", "expected"),
    [
        ("100", "EUR", "USD", "110.01"),
        ("-100", "EUR", "USD", "-110.01"),
        ("110.01", "USD", "EUR", "100"),
        ("15001", "JPY", "USD", "100"),
        ("1", "XAU", "EUR", "2182.07"),
    ],
)
def test_valuations_and_limits_use_mid(amount: str, source: str, target: str, expected: str) -> None:
    assert converted(amount, source, target, VALUATION) == expected
    assert converted(amount, source, target, LIMIT) == expected


@pytest.mark.parametrize(
    ("amount", "expected"), [("0.5", "0"), ("1.5", "2"), ("2.5", "2"), ("-0.5", "0"), ("-1.5", "-2")]
)
def test_halves_go_to_the_even_unit(amount: str, expected: str) -> None:
    assert converted(amount, "JPY", "JPY") == expected.replace("-0", "0")


class TestPath:
    def test_a_rate_says_through_what_and_of_when(self) -> None:
        old = NOW - timedelta(seconds=30)
        rates = Rates(NOW, [pair("EUR", "USD", "1", "1", old), pair("USD", "JPY", "100", "100")], DECIMALS)

        rate = rates.rate("EUR", "JPY", purpose=DEALING)

        assert (short(rate.value), rate.through, rate.at) == ("100", "USD", old)
        assert rates.rate("EUR", "USD", purpose=DEALING).through == ""
        assert rates.rate("EUR", "EUR", purpose=DEALING).at is None

    def test_direct_comes_before_a_bridge_and_usd_before_eur(self) -> None:
        both = [
            pair("GBP", "USD", "2", "2"), pair("USD", "JPY", "10", "10"),
            pair("GBP", "EUR", "3", "3"), pair("EUR", "JPY", "10", "10"),
        ]  # fmt: skip

        assert converted("1", "GBP", "JPY", rates=Rates(NOW, both, DECIMALS)) == "20"
        direct = Rates(NOW, [*both, pair("GBP", "JPY", "7", "7")], DECIMALS)
        assert converted("1", "GBP", "JPY", rates=direct) == "7"
        assert converted("1", "GBP", "JPY", rates=Rates(NOW, both[1:], DECIMALS)) == "30"

    def test_of_two_instruments_the_last_quoted_counts(self) -> None:
        earlier = pair("EUR", "USD", "1", "1", NOW - timedelta(seconds=1))
        later = pair("EUR", "USD", "2", "2")

        for pairs in ([earlier, later], [later, earlier]):
            assert converted("1", "EUR", "USD", rates=Rates(NOW, pairs, DECIMALS)) == "2"

    def test_two_bridges_are_not_crossed(self) -> None:
        rates = Rates(
            NOW,
            [pair("XAU", "USD", "1", "1"), pair("EUR", "USD", "1", "1"), pair("BTC", "EUR", "1", "1")],
            DECIMALS,
        )

        with pytest.raises(Refusal) as caught:
            rates.rate("XAU", "BTC", purpose=DEALING)

        assert caught.value.code == Code.NO_RATE
        assert caught.value.context == {"source": "XAU", "target": "BTC", "purpose": "dealing"}


@pytest.mark.parametrize("purpose", list(Purpose))
class TestAge:
    def test_as_old_as_allowed_is_a_rate(self, purpose: Purpose) -> None:
        rates = Rates(NOW, [pair("EUR", "USD", "1", "1", NOW - MAX_AGE[purpose])], DECIMALS)

        assert rates.rate("EUR", "USD", purpose=purpose).value == 1

    def test_a_microsecond_older_is_none(self, purpose: Purpose) -> None:
        late = NOW - MAX_AGE[purpose] - timedelta(microseconds=1)
        rates = Rates(NOW, [pair("EUR", "USD", "1", "1", late)], DECIMALS)

        for source, target in (("EUR", "USD"), ("USD", "EUR")):
            with pytest.raises(Refusal) as caught:
                rates.rate(source, target, purpose=purpose)
            assert caught.value.code == Code.NO_RATE

    def test_a_direct_quote_too_old_gives_way_to_a_bridge(self, purpose: Purpose) -> None:
        late = NOW - MAX_AGE[purpose] - timedelta(microseconds=1)
        pairs = [
            pair("GBP", "JPY", "7", "7", late), pair("GBP", "USD", "2", "2"), pair("USD", "JPY", "10", "10")
        ]  # fmt: skip

        assert converted("1", "GBP", "JPY", purpose, Rates(NOW, pairs, DECIMALS)) == "20"


@pytest.mark.parametrize(("source", "target"), [("NOPE", "USD"), ("USD", "NOPE"), ("NOPE", "NOPE")])
def test_an_unknown_asset_is_refused(source: str, target: str) -> None:
    with pytest.raises(Refusal) as caught:
        RATES.convert(Decimal(1), source, target, purpose=DEALING)

    assert caught.value.code == Code.UNKNOWN_ASSET


_PRICES = st.decimals("0.0001", "100000", places=4)
_AMOUNTS = st.decimals("-1000000", "1000000", places=2)


@given(amount=_AMOUNTS, first=st.tuples(_PRICES, _PRICES), second=st.tuples(_PRICES, _PRICES))
def test_equals_the_fraction_rounded_and_never_gains_by_a_round_trip(
    amount: Decimal, first: tuple[Decimal, Decimal], second: tuple[Decimal, Decimal]
) -> None:
    (bid1, ask1), (bid2, ask2) = sorted(first), sorted(second)
    rates = Rates(
        NOW,
        [Pair("EUR", "USD", bid1, ask1, NOW), Pair("USD", "JPY", bid2, ask2, NOW)],
        DECIMALS | {"JPY": 8, "EUR": 8},
    )

    there = rates.convert(amount, "EUR", "JPY", purpose=DEALING)

    # Another route: the fraction of the two prices, rounded to the stated digits of a rate, then to the unit.
    exact = Fraction(ask1) * Fraction(ask2) if amount < 0 else Fraction(bid1) * Fraction(bid2)
    rate = Fraction(round(exact * 10**RATE_DECIMALS), 10**RATE_DECIMALS)
    assert Fraction(there.rate.value) == rate
    assert Fraction(there.amount) == Fraction(round(Fraction(amount) * rate * 10**8), 10**8)
    if there.amount > 0:
        back = rates.convert(there.amount, "JPY", "EUR", purpose=DEALING).amount
        assert back <= amount + Decimal("0.00000001") + Decimal("0.00000001") / (bid1 * bid2)


def test_bridges_are_those_of_the_rules() -> None:
    assert BRIDGES == ("USD", "EUR")


@pytest.mark.django_db
class TestStoredQuotes:
    @pytest.fixture
    def euro(self) -> Asset:
        return make_asset(decimals=2)

    @pytest.fixture
    def dollar(self, euro: Asset) -> Asset:
        """Quoted 1.1 a minute ago, then 1.2 now."""
        dollar = make_asset(decimals=8)
        number = make_instrument(base=euro, quote=dollar).id
        for bid, at in (("1.1", NOW - timedelta(minutes=1)), ("1.2", NOW)):
            record_quotes([NewQuote(number, Decimal(bid), Decimal(bid), at, "test")], now=NOW)
        return dollar

    def test_now_is_by_the_newest(self, euro: Asset, dollar: Asset) -> None:
        found = convert(Decimal(10), euro.code, dollar.code, purpose=DEALING, now=NOW)

        assert (short(found.amount), found.rate.at) == ("12", NOW)

    @pytest.mark.parametrize(("ago", "expected"), [(60, "11"), (1, "11"), (0, "12")])
    def test_then_is_by_the_last_at_or_before(
        self, euro: Asset, dollar: Asset, ago: int, expected: str
    ) -> None:
        at = NOW - timedelta(seconds=ago)

        found = convert(Decimal(10), euro.code, dollar.code, purpose=DEALING, now=NOW, at=at)

        assert short(found.amount) == expected

    def test_before_the_first_there_is_none(self, euro: Asset, dollar: Asset) -> None:
        with pytest.raises(Refusal) as caught:
            convert(
                Decimal(10), euro.code, dollar.code, purpose=VALUATION, now=NOW, at=NOW - timedelta(minutes=2)
            )

        assert caught.value.code == Code.NO_RATE

    def test_costs_two_statements(self, dollar: Asset, django_assert_num_queries: object) -> None:
        with django_assert_num_queries(2):  # type: ignore[operator]
            load_rates(now=NOW)
        with django_assert_num_queries(2):  # type: ignore[operator]
            load_rates(now=NOW, at=NOW)
