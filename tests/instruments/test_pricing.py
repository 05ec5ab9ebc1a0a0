"""Quotes: the newest of each instrument and all as facts, whoever repeats them and in whichever order."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import ProgrammingError, transaction

from audit.models import AuditRecord
from instruments.models import DatedQuote, Instrument, Quote
from instruments.services.pricing import NewQuote, record_quotes, set_quote
from tests.factories import ACTOR, NOW, make_instrument, short
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

SECOND = timedelta(seconds=1)


def quote(instrument: Instrument, bid: str, ask: str, at: datetime = NOW) -> NewQuote:
    return NewQuote(instrument.id, Decimal(bid), Decimal(ask), at, "test")


def newest(instrument: Instrument) -> tuple[str, str, datetime]:
    row = Quote.objects.get(instrument=instrument)
    return short(row.bid), short(row.ask), row.at


def dated(instrument: Instrument) -> list[tuple[str, str, datetime]]:
    rows = DatedQuote.objects.filter(instrument=instrument).order_by("at")
    return [(short(row.bid), short(row.ask), row.at) for row in rows]


@pytest.mark.django_db
class TestRecording:
    def test_the_newest_is_the_quote_and_all_are_facts(self) -> None:
        one, two = make_instrument(), make_instrument()

        recorded = record_quotes(
            [
                quote(one, "1.1", "1.2"),
                quote(two, "7", "7"),
                quote(one, "1.3", "1.4", NOW + SECOND),
            ],
            now=NOW + SECOND,
        )

        assert recorded == 3
        assert newest(one) == ("1.3", "1.4", NOW + SECOND)
        assert newest(two) == ("7", "7", NOW)
        assert dated(one) == [("1.1", "1.2", NOW), ("1.3", "1.4", NOW + SECOND)]

    def test_one_that_comes_late_is_a_dated_rate_only(self) -> None:
        instrument = make_instrument()
        record_quotes([quote(instrument, "2", "3", NOW)], now=NOW)

        record_quotes([quote(instrument, "1", "2", NOW - SECOND)], now=NOW)

        assert newest(instrument) == ("2", "3", NOW)
        assert dated(instrument) == [("1", "2", NOW - SECOND), ("2", "3", NOW)]

    def test_the_same_again_is_no_second_fact(self) -> None:
        instrument = make_instrument()
        record_quotes([quote(instrument, "2", "3")], now=NOW)

        assert record_quotes([quote(instrument, "2", "3"), quote(instrument, "4", "5")], now=NOW) == 0
        assert (newest(instrument), dated(instrument)) == (("2", "3", NOW), [("2", "3", NOW)])

    def test_two_of_one_moment_in_one_list_leave_the_first(self) -> None:
        instrument = make_instrument()

        record_quotes([quote(instrument, "2", "3"), quote(instrument, "4", "5")], now=NOW)

        assert (newest(instrument), dated(instrument)) == (("2", "3", NOW), [("2", "3", NOW)])

    def test_nothing_is_nothing(self) -> None:
        assert record_quotes([], now=NOW) == 0

    @pytest.mark.parametrize(
        ("bid", "ask"),
        [
            ("0", "1"),
            ("-1", "1"),
            ("2", "1"),
            ("NaN", "1"),
            ("1", "Infinity"),
            ("1", "1E+20"),
            ("1E-19", "1"),
        ],
    )
    def test_no_price_is_refused_with_the_whole_list(self, bid: str, ask: str) -> None:
        instrument = make_instrument()

        with pytest.raises(Refusal) as caught:
            record_quotes([quote(instrument, "1", "2"), quote(instrument, bid, ask, NOW - SECOND)], now=NOW)

        assert caught.value.code == Code.INVALID_NUMBER
        assert (Quote.objects.count(), DatedQuote.objects.count()) == (0, 0)

    def test_the_future_is_refused(self) -> None:
        with pytest.raises(Refusal) as caught:
            record_quotes([quote(make_instrument(), "1", "2", NOW + SECOND)], now=NOW)

        assert (caught.value.code, Quote.objects.count()) == (Code.INVALID_FIELD, 0)

    @pytest.mark.parametrize("change", ["update", "delete"])
    def test_the_database_refuses_to_change_a_dated_quote(self, change: str) -> None:
        instrument = make_instrument()
        record_quotes([quote(instrument, "1", "2")], now=NOW)
        rows = DatedQuote.objects.filter(instrument=instrument)

        with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
            rows.update(bid=2) if change == "update" else rows.delete()


@pytest.mark.django_db(transaction=True)
def test_those_who_quote_at_once_leave_the_newest() -> None:
    instruments = [make_instrument() for _ in range(3)]

    def record(number: int) -> int:
        # Each names the instruments in another order.
        ordered = instruments[number % 3 :] + instruments[: number % 3]
        at = NOW + number * SECOND
        return record_quotes([quote(each, str(number + 1), "99", at) for each in ordered], now=at)

    results = all_at_once([lambda number=number: record(number) for number in range(24)])  # type: ignore[misc]

    assert results == [3] * 24
    for instrument in instruments:
        assert newest(instrument) == ("24", "99", NOW + 23 * SECOND)
        assert len(dated(instrument)) == 24


@pytest.mark.django_db
class TestByHand:
    def set(self, instrument: Instrument, bid: str = "1", ask: str = "2", **how: str) -> NewQuote:
        values = {"symbol": instrument.symbol, "reason": "feed is down"} | how
        return set_quote(bid=Decimal(bid), ask=Decimal(ask), actor=ACTOR, now=NOW, **values)

    def test_is_recorded_with_who_and_why(self) -> None:
        instrument = make_instrument()
        record_quotes([quote(instrument, "0.5", "0.6", NOW - SECOND)], now=NOW)

        self.set(instrument)

        assert newest(instrument) == ("1", "2", NOW)
        row = AuditRecord.objects.get(action="instruments.quote.set")
        assert (row.target_label, row.reason) == (instrument.symbol, "feed is down")
        assert (row.before, row.after) == ({"bid": "0.5", "ask": "0.6"}, {"bid": "1", "ask": "2"})

    @pytest.mark.parametrize(
        ("how", "code"),
        [
            ({"reason": " "}, Code.REASON_REQUIRED),
            ({"symbol": "NOPE"}, Code.UNKNOWN_SYMBOL),
            ({"bid": "3"}, Code.INVALID_NUMBER),
        ],
    )
    def test_refusals_leave_nothing(self, how: dict[str, str], code: Code) -> None:
        with pytest.raises(Refusal) as caught:
            self.set(make_instrument(), **how)

        assert caught.value.code == code
        assert (Quote.objects.count(), AuditRecord.objects.count()) == (0, 0)

    def test_of_a_moment_that_was_quoted_already_is_refused(self) -> None:
        instrument = make_instrument()
        record_quotes([quote(instrument, "5", "6")], now=NOW)

        with pytest.raises(Refusal) as caught:
            self.set(instrument)

        assert (caught.value.code, newest(instrument)) == (Code.NO_CHANGE, ("5", "6", NOW))
