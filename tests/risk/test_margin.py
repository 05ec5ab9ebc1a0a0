"""Margin: tables for fixed portfolios, and each method against another route in fractions."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import MarginMethod
from risk.services.margin import (
    SCENARIOS,
    Exposure,
    Standing,
    initial_margin,
    maintenance_margin,
    margin_rate,
    tier_of,
)
from tests.factories import short

RETAIL, PORTFOLIO, SCENARIO = MarginMethod


def exposure(
    long: str = "0", short_: str = "0", rate: str = "0.01", volatility: str = "0.006", quote: str = "USD"
) -> Exposure:
    return Exposure(quote, Decimal(long), Decimal(short_), Decimal(rate), Decimal(volatility))


EURUSD = exposure("110020")
GOLD_SHORT = exposure("0", "240000", "0.05", "0.012")
HEDGED = exposure("100000", "60000")
YEN = exposure("100000", quote="JPY")

#: portfolio: margin by each method, worked out by hand.
TABLE = {
    "nothing": ([], ("0", "0", "0")),
    # 3.3 deviations of 0.6 % of 110020 are 2178.396; retail 1 %.
    "one long": ([EURUSD], ("1100.2", "1100.2", "2178.4")),
    # Offset 0.8 of both legs of 600; 3.3 x 0.6 % of the net 40000 is 792, and 60 % of 1600 is 960.
    "long and short": ([HEDGED], ("1600", "800", "960")),
    # 12000 + 1100.2; risks 9504 and 2178.396, less 15 % of the smaller.
    "opposite risks of one quote asset": ([EURUSD, GOLD_SHORT], ("13100.2", "13100.2", "11355.64")),
    # The same risks in different quote assets know nothing of each other: 9504 + 1980.
    "opposite risks of two quote assets": ([YEN, GOLD_SHORT], ("13000", "13000", "11484")),
    # No net risk at all: the floor.
    "hedged in full": ([exposure("1000", "1000")], ("20", "10", "12")),
}


@pytest.mark.parametrize("name", TABLE)
def test_table_of_portfolios(name: str) -> None:
    exposures, expected = TABLE[name]

    found = tuple(short(initial_margin(method, exposures, decimals=2)) for method in MarginMethod)

    assert found == expected


def test_there_are_sixteen_scenarios() -> None:
    moves = sorted((scenario.move, scenario.parts) for scenario in SCENARIOS)

    assert len(SCENARIOS) == 16
    assert moves == sorted(
        [(Decimal(m), 1) for m in (-3, -2, -1, 0, 1, 2, 3)]
        + [(Decimal(m), 1) for m in ("-3.3", "-2.2", "-1.1", "0.0", "1.1", "2.2", "3.3")]
        + [(Decimal(-6), 3), (Decimal(6), 3)]
    )


_MONEY = st.decimals("0", "10000000", places=2)
_EXPOSURES = st.lists(
    st.builds(
        Exposure,
        quote=st.sampled_from(["USD", "JPY"]),
        long=_MONEY,
        short=_MONEY,
        rate=st.decimals("0.001", "1", places=6),
        volatility=st.decimals("0", "0.2", places=6),
    ),
    max_size=6,
)


def retail_again(exposures: list[Exposure]) -> Fraction:
    """Leg by leg."""
    legs = itertools.chain.from_iterable(((e.long, e.rate), (e.short, e.rate)) for e in exposures)
    return sum((Fraction(notional) * Fraction(rate) for notional, rate in legs), Fraction(0))


def portfolio_again(exposures: list[Exposure]) -> Fraction:
    """The bigger leg whole, the smaller less what offsets: L + S - 1.6 min = max leg - 0.6 of the smaller."""
    total = Fraction(0)
    for each in exposures:
        legs = sorted(Fraction(n) * Fraction(each.rate) for n in (each.long, each.short))
        total += max(legs[1] - legs[0] * Fraction(3, 5), (legs[0] + legs[1]) / 2)
    return total


def scenario_again(exposures: list[Exposure]) -> Fraction:
    """Every world by itself: price thirds x volatility x two moods, then the two extremes; then all pairs."""
    worlds = [
        (Fraction(thirds, 3) * 3 * mood, Fraction(1))
        for thirds, mood in itertools.product((-3, -2, -1, 0, 1, 2, 3), (Fraction(1), Fraction(11, 10)))
    ] + [(Fraction(sign * 6), Fraction(1, 3)) for sign in (1, -1)]
    risks = []
    for each in exposures:
        value, deviation = Fraction(each.long) - Fraction(each.short), Fraction(each.volatility)
        outcomes = [value * deviation * move * weight for move, weight in worlds]
        risks.append((each.quote, value >= 0, -min(outcomes)))
    credit = Fraction(0)
    for quote in {quote for quote, _side, _risk in risks}:
        sides = [
            sum((r for q, side, r in risks if q == quote and side == up), Fraction(0)) for up in (True, False)
        ]
        credit += min(sides) * Fraction(15, 100)
    whole = sum((risk for _quote, _side, risk in risks), Fraction(0)) - credit
    return max(whole, retail_again(exposures) * Fraction(6, 10))


AGAIN = {RETAIL: retail_again, PORTFOLIO: portfolio_again, SCENARIO: scenario_again}


@pytest.mark.parametrize("method", list(MarginMethod))
@given(exposures=_EXPOSURES, decimals=st.sampled_from([0, 2, 8]))
def test_equals_another_route(method: MarginMethod, exposures: list[Exposure], decimals: int) -> None:
    found = initial_margin(method, exposures, decimals=decimals)

    exact = AGAIN[method](exposures) * 10**decimals
    assert Fraction(found) * 10**decimals == round(exact)


@given(exposures=_EXPOSURES)
def test_floors_and_ceilings_hold(exposures: list[Exposure]) -> None:
    retail, portfolio, scenario = (initial_margin(m, exposures, decimals=8) for m in MarginMethod)

    unit = Decimal("0.00000001")
    assert retail / 2 - unit <= portfolio <= retail
    assert scenario >= retail * Decimal("0.6") - unit
    assert maintenance_margin(retail, decimals=8) <= retail


@given(exposures=_EXPOSURES, method=st.sampled_from(list(MarginMethod)), seed=st.randoms())
def test_the_order_of_instruments_does_not_matter(
    exposures: list[Exposure], method: MarginMethod, seed: object
) -> None:
    shuffled = list(exposures)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]

    assert initial_margin(method, shuffled, decimals=8) == initial_margin(method, exposures, decimals=8)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"leverages": [100, 500, 30]}, Fraction(1, 30)),
        ({"leverages": [100], "tier": Decimal("0.02")}, Fraction(2, 100)),
        ({"leverages": [20], "tier": Decimal("0.02")}, Fraction(1, 20)),
        ({"leverages": [20], "tier": Decimal("0.2"), "fixed": Decimal("0.01")}, Fraction(1, 100)),
        ({"leverages": [100], "cap": 2}, Fraction(1, 2)),
        ({"leverages": [100], "cap": 2, "fixed": Decimal("0.01")}, Fraction(1, 2)),
        ({"leverages": [1], "cap": 2}, Fraction(1)),
    ],
)
def test_the_rate_is_the_strictest_and_a_fixed_one_beats_all_but_the_cap(
    how: dict[str, object], expected: Fraction
) -> None:
    found = margin_rate(**how)  # type: ignore[arg-type]

    assert Fraction(found) == Fraction(round(expected * 10**24), 10**24)


@pytest.mark.parametrize(
    ("notional", "expected"), [("0", "0"), ("999", "0"), ("1000", "0.02"), ("4999", "0.02"), ("5000", "0.05")]
)
def test_the_tier_is_the_last_that_begins_at_or_below(notional: str, expected: str) -> None:
    tiers = [(Decimal(1000), Decimal("0.02")), (Decimal(5000), Decimal("0.05"))]

    assert tier_of(Decimal(notional), tiers) == Decimal(expected)


class TestStanding:
    def standing(self, **changes: str) -> Standing:
        values = {"balance": "1000", "credit": "0", "unrealised": "0", "held": "0", "margin": "0"} | changes
        return Standing(**{name: Decimal(value) for name, value in values.items()})

    def test_without_positions_all_is_free_and_there_is_no_level(self) -> None:
        found = self.standing()

        assert [short(each) for each in (found.equity, found.free, found.reserved)] == ["1000", "1000", "0"]
        assert found.level is None

    def test_of_gains_losses_credit_and_holds(self) -> None:
        found = self.standing(credit="50", unrealised="-300", held="100", margin="400")

        assert [short(each) for each in (found.equity, found.free)] == ["750", "250"]
        assert found.level == Decimal("187.5")
        # 400 of margin and 300 of losses, 50 of which credit bears.
        assert found.reserved == 650

    def test_gains_cover_margin_before_the_balance_does(self) -> None:
        assert self.standing(unrealised="500", margin="400").reserved == 0

    @pytest.mark.parametrize(("unrealised", "level"), [("-1000", "0"), ("-1500", "-125"), ("47.996", "262")])
    def test_a_level_may_fall_to_zero_and_below(self, unrealised: str, level: str) -> None:
        assert short(self.standing(unrealised=unrealised, margin="400").level or Decimal(0)) == level
