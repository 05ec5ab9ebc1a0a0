"""Indicators of an instrument: candles read from the store, the one place where they become floats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from instruments.selectors import Rules
from orders.market.indicators import DEFAULTS, Bars, Indicator, Lines, compute, past_of
from orders.market.intervals import Interval
from orders.market.selectors import candles
from tradeplatform.common.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Chart:
    """An indicator's lines over the candles that began at `times`; None where there is no past yet."""

    parameters: Mapping[str, float]
    times: list[datetime]
    lines: dict[str, list[float | None]]


def parameters_of(indicator: Indicator, given: Mapping[str, float]) -> dict[str, float]:
    """What was given, completed. Raises invalid_combination where it is not the indicator's."""
    usual = DEFAULTS[indicator]
    strange = sorted(set(given) - set(usual))
    if strange:
        raise Refusal(
            Code.INVALID_COMBINATION,
            f"{indicator} takes {', '.join(usual)}.",
            fields=dict.fromkeys(strange, f"{indicator} does not take it."),
        )
    parameters = {**usual, **given}
    if indicator is Indicator.MACD and parameters["fast"] >= parameters["slow"]:
        fields = {"fast": "Must be less than slow.", "slow": "Must be more than fast."}
        raise Refusal(Code.INVALID_COMBINATION, "fast must be less than slow.", fields=fields)
    return parameters


def chart(
    rules: Rules,
    *,
    indicator: Indicator,
    given: Mapping[str, float],
    interval: Interval,
    before: datetime,
    limit: int,
    now: datetime,
) -> Chart:
    """An indicator over the `limit` candles up to the one `before` falls in, with enough of their past.

    Raises invalid_combination.
    """
    parameters = parameters_of(indicator, given)
    past = past_of(indicator, parameters)
    found = candles(rules, interval=interval, before=before, limit=limit + past, now=now)
    bars = Bars(
        *(
            np.array([float(getattr(row, name)) for row in found])
            for name in ("high", "low", "close", "volume", "quote_volume")
        )
    )
    shown = found[-limit:]
    lines = compute(indicator, bars, parameters) if found else {}
    return Chart(
        parameters=parameters,
        times=[row.opened_at for row in shown],
        lines=_shown(lines, len(shown), digits=rules.price_decimals + 4),
    )


def _shown(lines: Lines, count: int, *, digits: int) -> dict[str, list[float | None]]:
    """The last `count` values, rounded for the eye."""
    return {
        name: [None if math.isnan(value) else round(value, digits) for value in line[-count:].tolist()]
        for name, line in lines.items()
    }
