"""What holds for links of every kind: whose news comes first, and which links make no sense."""

from __future__ import annotations

from typing import Any

import pytest
from tradeengine.codec import EventKind, Link, Reason, Side, TriggerKind

from tests.engine.desk import Desk, said

REJECTED, CANCELLED, ACTIVATED = EventKind.REJECTED, EventKind.CANCELLED, EventKind.ACTIVATED
NONE, LINKED, PARENT_ENDED = Reason.NONE, Reason.LINKED, Reason.PARENT_ENDED
SELL = Side.SELL
STOP = TriggerKind.STOP


def test_news_goes_to_the_end_of_the_line(desk: Desk) -> None:
    """Two fills are told before the end of a partner that the first of them brings about."""
    desk.buy(1, 50, parent=3)
    desk.sell(1, 100, partner=3)
    desk.stop(SELL, 1, 40, partner=2)
    desk.stop(SELL, 1, 30, parent=5)
    desk.sell(1, 101)

    assert said(desk.buy(2, 101))[3:] == [
        (CANCELLED, LINKED, 3, 1, 0),
        (ACTIVATED, NONE, 4, 1, 1),
        (CANCELLED, PARENT_ENDED, 1, 1, 0),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"link": Link.OCO},
        {"link": Link.OCO, "partner": 1},
        {"link": Link.OCO, "partner": -1},
        {"link": Link.OCO, "partner": 5, "parent": 6},
        {"link": Link.OTO},
        {"link": Link.OTO, "parent": 1},
        {"link": Link.OTO, "parent": -1},
        {"link": Link.OTO, "parent": 5, "partner": 1},
        {"link": Link.NONE, "parent": 5},
        {"link": Link.NONE, "partner": 5},
        {"link": Link.ATTACHED, "trigger": STOP, "trigger_price": 90},
        {"link": Link.ATTACHED, "parent": 5},
        {"link": Link.ATTACHED, "parent": 5, "trigger": STOP, "trigger_price": 90, "display": 1},
        {"link": Link.ATTACHED, "parent": 5, "trigger": STOP, "trigger_price": 90, "min_quantity": 1},
        {"link": Link.ATTACHED, "parent": 5, "trigger": STOP, "trigger_price": 90, "position_limit": 1},
    ],
)
def test_a_link_that_makes_no_sense_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    before = desk.state()

    assert said(desk.sell(5, 100, **fields)) == [(REJECTED, Reason.INVALID, 1, 5, 0)]
    assert desk.state() == before
