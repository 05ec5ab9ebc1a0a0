"""Rows a minute from ids alone, compared with a plain count."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders.models import Fill, Order, Side
from tests.factories import NOW, make_market
from tradeplatform.backoffice.rates import rows_each_minute


@pytest.mark.django_db
def test_equals_a_count_by_minute() -> None:
    market = make_market()
    account = market.trader()
    # Two at the first edge, none in the next minute, three, one just before the end, one at the end itself.
    moments = [0, 0, 120, 130, 179.999999, 299.999999, 300]
    for second in moments:
        now = NOW + timedelta(seconds=second)
        market.send(market.request(account, Side.BUY, 1, 49000), now=now)

    counted = [
        Order.objects.filter(
            created_at__gte=NOW + timedelta(minutes=m), created_at__lt=NOW + timedelta(minutes=m + 1)
        ).count()
        for m in range(5)
    ]

    assert rows_each_minute(Order, end=NOW + timedelta(minutes=5), minutes=5) == counted == [2, 0, 3, 0, 1]


@pytest.mark.django_db
def test_of_an_empty_table_is_nothing() -> None:
    assert rows_each_minute(Fill, end=NOW, minutes=3) == [0, 0, 0]


@pytest.mark.django_db
def test_rows_before_and_after_the_window_are_not_in_it() -> None:
    market = make_market()
    account = market.trader()
    for days in (-40, 0, 1):
        now = NOW + timedelta(days=days)
        market.send(market.request(account, Side.BUY, 1, 49000), now=now)

    assert rows_each_minute(Order, end=NOW + timedelta(minutes=1), minutes=2) == [0, 1]
