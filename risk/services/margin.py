"""How much margin positions need, and how an account stands: pure functions on plain values.

The formulas are in docs/money.md, "Margin methods". Notionals come in the account's currency already, amounts
leave it rounded half to even to the currency's unit, once, at the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from accounts.models import MarginMethod
from instruments.scaling import product, quotient, round_half_even

_ZERO = Decimal(0)

#: Of the smaller of two opposite legs in one instrument, so much of both margins falls away ...
OFFSET = Decimal("0.8")
#: ... but never below this share of both together.
PORTFOLIO_FLOOR = Decimal("0.5")
#: What opposite risks of different instruments of one quote asset are credited with, of the smaller.
INTER_CREDIT = Decimal("0.15")
#: The least share of the retail margin that the scenario method asks for.
SCENARIO_FLOOR = Decimal("0.6")
#: Maintenance margin as a share of the initial margin.
MAINTENANCE = Decimal("0.5")

_RATE_DIGITS = 24
_LEVEL_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Exposure:
    """What an account holds of one instrument, in the account's currency.

    `long` and `short` are notionals, each zero or above; `quote` is the code of the instrument's quote asset;
    `rate` is the share of notional that is needed; `volatility` the standard deviation of a day's return.
    """

    quote: str
    long: Decimal
    short: Decimal
    rate: Decimal
    volatility: Decimal


class Scenario(NamedTuple):
    """A move of the price in standard deviations of a day; of the loss, one part in `parts` counts."""

    move: Decimal
    parts: int


_RANGE = 3
_RAISED = Decimal("1.1")
#: By nothing, one, two and three thirds of the range, up and down, under the volatility and a tenth more; and
#: two extreme moves of twice the range, a third of whose loss counts.
SCENARIOS: tuple[Scenario, ...] = (
    *(
        Scenario(Decimal(thirds) * factor, 1)
        for factor in (Decimal(1), _RAISED)
        for thirds in range(-_RANGE, _RANGE + 1)
    ),
    Scenario(Decimal(-2 * _RANGE), 3),
    Scenario(Decimal(2 * _RANGE), 3),
)


def initial_margin(method: MarginMethod, exposures: Sequence[Exposure], *, decimals: int) -> Decimal:
    """What the positions need together, in the account's currency with so many digits after the point."""
    needed = {
        MarginMethod.RETAIL: _retail,
        MarginMethod.PORTFOLIO: _portfolio,
        MarginMethod.SCENARIO: _scenario,
    }[method](exposures)
    return round_half_even(needed, decimals)


def maintenance_margin(initial: Decimal, *, decimals: int) -> Decimal:
    """The part of the initial margin below which an account is in danger."""
    return round_half_even(product(initial, MAINTENANCE), decimals)


def margin_rate(
    *,
    leverages: Iterable[int],
    cap: int | None = None,
    tier: Decimal = _ZERO,
    fixed: Decimal | None = None,
) -> Decimal:
    """The share of notional that is needed: the highest of 1 / (the least leverage) and the notional's tier.

    A `fixed` rate, made for one instrument in a group, takes the place of both. The `cap` of a regulator is
    beaten by nothing.
    """
    least = quotient(Decimal(1), Decimal(cap), _RATE_DIGITS) if cap is not None else _ZERO
    if fixed is not None:
        return max(fixed, least)
    return max(quotient(Decimal(1), Decimal(min(leverages)), _RATE_DIGITS), tier, least)


def tier_of(notional: Decimal, tiers: Iterable[tuple[Decimal, Decimal]]) -> Decimal:
    """The rate of the last tier (from notional, rate) that begins at or below the notional; 0 before all."""
    return max((rate for begin, rate in tiers if begin <= notional), default=_ZERO)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands, in its currency: what it owns, owes, needs, and what is free."""

    balance: Decimal
    credit: Decimal
    unrealised: Decimal
    held: Decimal
    margin: Decimal

    @property
    def equity(self) -> Decimal:
        """What would be left if every position were closed now, credit included."""
        return self.balance + self.credit + self.unrealised

    @property
    def free(self) -> Decimal:
        """What may be promised still: neither needed as margin nor held by orders and requests."""
        return self.equity - self.held - self.margin

    @property
    def level(self) -> Decimal | None:
        """Equity in percent of margin, to two digits; None where no margin is needed."""
        if not self.margin:
            return None
        return quotient(self.equity * 100, self.margin, _LEVEL_DIGITS)

    @property
    def reserved(self) -> Decimal:
        """The part of the balance that positions need, as far as credit and gains do not cover it."""
        return max(_ZERO, self.margin - self.credit - self.unrealised)


def _retail(exposures: Iterable[Exposure]) -> Decimal:
    return sum((product(each.long + each.short, each.rate) for each in exposures), _ZERO)


def _portfolio(exposures: Iterable[Exposure]) -> Decimal:
    return sum((_offset(each) for each in exposures), _ZERO)


def _offset(exposure: Exposure) -> Decimal:
    longs, shorts = product(exposure.long, exposure.rate), product(exposure.short, exposure.rate)
    gross = longs + shorts
    return max(gross - OFFSET * 2 * min(longs, shorts), gross * PORTFOLIO_FLOOR)


def _scenario(exposures: Sequence[Exposure]) -> Decimal:
    up: dict[str, Decimal] = defaultdict(Decimal)
    down: dict[str, Decimal] = defaultdict(Decimal)
    for each in exposures:
        gains_when_rising = each.long >= each.short
        (up if gains_when_rising else down)[each.quote] += _worst_loss(each)
    risks = sum(up.values(), _ZERO) + sum(down.values(), _ZERO)
    credit = sum((product(min(risk, down[quote]), INTER_CREDIT) for quote, risk in up.items()), _ZERO)
    return max(risks - credit, product(_retail(exposures), SCENARIO_FLOOR))


def _worst_loss(exposure: Exposure) -> Decimal:
    one_deviation = product(exposure.long - exposure.short, exposure.volatility)
    return max(
        quotient(-product(one_deviation, scenario.move), Decimal(scenario.parts), _RATE_DIGITS)
        for scenario in SCENARIOS
    )
