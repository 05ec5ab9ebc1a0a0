"""Windows over time: what they open and close with is what a query says, whatever was traded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.history.selectors import Bin, bins, width_of
from tests.factories import make_account, short
from tests.history.telling import asked, make_position, second, tell, tell_each, told
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


def said(row: Bin) -> list[str | None]:
    numbers = [row.open, row.high, row.low, row.close, row.volume]
    return [None if number is None else short(number) for number in numbers]


def test_windows_open_where_the_last_closed() -> None:
    account, instrument = make_position()
    tell_each([told(account, instrument, at, size) for at, size in
               ((5, 3), (10, 2), (12, -4), (19.999999, 1), (40, -2))])  # fmt: skip

    found = bins(
        instrument_id=instrument.pk, account_ids=[account.pk], start=second(-10 + 10), end=second(50),
        width=timedelta(seconds=10),
    )  # fmt: skip

    assert [said(row) for row in found] == [
        [None, "3", "3", "3", "3"],
        ["3", "5", "1", "2", "7"],
        ["2", "2", "2", "2", "0"],
        ["2", "2", "2", "2", "0"],
        ["2", "2", "0", "0", "2"],
    ]
    assert [row.executions for row in found] == [1, 3, 0, 0, 1]
    assert [row.start for row in found] == [second(at) for at in range(0, 50, 10)]


def test_before_the_first_execution_there_is_no_position_in_any_window() -> None:
    account, instrument = make_position()

    (row,) = bins(
        instrument_id=instrument.pk, account_ids=[account.pk], start=second(0), end=second(1),
        width=timedelta(seconds=5),
    )  # fmt: skip

    assert (said(row), row.end) == ([None, None, None, None, "0"], second(5))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    trades=st.lists(
        st.tuples(st.integers(0, 400), st.integers(-9, 9).filter(bool), st.booleans()), max_size=25
    ),
    start=st.integers(0, 200),
    width=st.integers(1, 90),
    alone=st.booleans(),
)
def test_a_window_closes_with_what_a_query_at_its_end_answers(
    trades: list[tuple[int, int, bool]], start: int, width: int, alone: bool
) -> None:
    account, instrument = make_position()
    other = make_account(currency=instrument.quote)
    # Hundredths of a millisecond: many of them share a microsecond, many an edge.
    tell(*(told(account if own else other, instrument, at / 10**6, size) for at, size, own in trades))
    who = account if alone else None

    found = bins(
        instrument_id=instrument.pk,
        account_ids=[account.pk] if alone else None,
        start=second(start / 10**6),
        end=second((start + 300) / 10**6),
        width=timedelta(microseconds=width),
    )

    microsecond = timedelta(microseconds=1)
    for row in found:
        opened, high, low, closed, _volume = said(row)
        assert closed == asked(who, instrument, row.end - microsecond)
        assert opened == asked(who, instrument, row.start - microsecond)
        inside = [asked(who, instrument, row.start + number * microsecond) for number in range(width)][:20]
        assert all(
            row.low <= int(one) <= row.high
            for one in inside
            if one and row.low is not None and row.high is not None
        )
        assert (high is None) == (low is None) == (closed is None)


@pytest.mark.parametrize("text", ["", "1", "h", "0h", "-1h", "1.5h", "1w", "1h ", "9999999s"])
def test_a_width_is_a_number_and_a_unit(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        width_of(text)

    assert caught.value.code == Code.INVALID_FIELD


def test_widths() -> None:
    texts = ("250us", "5ms", "30s", "15m", "1h", "1d")
    assert [width_of(text).total_seconds() for text in texts] == [0.00025, 0.005, 30, 900, 3600, 86400]


def test_too_many_windows_are_refused_before_they_are_counted_out() -> None:
    _account, instrument = make_position()
    ask = {"instrument_id": instrument.pk, "account_ids": None, "width": timedelta(microseconds=1)}

    with pytest.raises(Refusal) as caught:
        bins(start=second(0), end=second(10), **ask)  # type: ignore[arg-type]
    assert caught.value.code == Code.TOO_MANY_ITEMS
    with pytest.raises(Refusal, match="after the start"):
        bins(start=second(10), end=second(10), **ask)  # type: ignore[arg-type]
