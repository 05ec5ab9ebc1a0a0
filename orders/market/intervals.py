"""How long a candle is, when it begins, and which stored candles it is made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The first Monday: weeks begin on it.
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_DAY = timedelta(days=1)


#: The clock that candles begin by unless another is asked for.
UTC_CLOCK = timedelta()


class Interval(StrEnum):
    """A length of candles.

    Weeks begin on a Monday, months on the 1st, all others at whole multiples since 1970-01-01, by a clock
    that is `ahead` of UTC by whole hours.
    """

    SECOND = "1s"
    MINUTE = "1m"
    THREE_MINUTES = "3m"
    FIVE_MINUTES = "5m"
    QUARTER_HOUR = "15m"
    HALF_HOUR = "30m"
    HOUR = "1h"
    TWO_HOURS = "2h"
    FOUR_HOURS = "4h"
    SIX_HOURS = "6h"
    EIGHT_HOURS = "8h"
    TWELVE_HOURS = "12h"
    DAY = "1d"
    THREE_DAYS = "3d"
    WEEK = "1w"
    MONTH = "1M"

    def base(self, *, ahead: timedelta = UTC_CLOCK) -> Interval:
        """The stored interval that it is made of: days are stored by UTC's clock, for others of hours."""
        base = next(base for base, made in STORED.items() if self in made)
        return Interval.HOUR if base is Interval.DAY and ahead else base

    @property
    def origin(self) -> datetime:
        """A moment at which one begins."""
        return _MONDAY if self is Interval.WEEK else _EPOCH

    @property
    def width(self) -> timedelta:
        """As a duration; a month has none (KeyError)."""
        return _WIDTHS[self]

    def floor(self, moment: datetime, *, ahead: timedelta = UTC_CLOCK) -> datetime:
        """When the candle began that holds `moment`."""
        if self is Interval.MONTH:
            day = (moment.astimezone(UTC) + ahead).replace(hour=0, minute=0, second=0, microsecond=0)
            return day.replace(day=1) - ahead
        return moment - (moment + ahead - self.origin) % self.width

    def shift(self, opened_at: datetime, count: int, *, ahead: timedelta = UTC_CLOCK) -> datetime:
        """When the candle begins that is `count` after (before, when negative) the one that began then."""
        if self is not Interval.MONTH:
            return opened_at + count * self.width
        first = opened_at + ahead
        years, month = divmod(first.year * 12 + first.month - 1 + count, 12)
        return first.replace(year=years, month=month + 1) - ahead


# What is stored, and the intervals that are made of it.
STORED = {
    Interval.SECOND: (Interval.SECOND,),
    Interval.MINUTE: (
        Interval.MINUTE,
        Interval.THREE_MINUTES,
        Interval.FIVE_MINUTES,
        Interval.QUARTER_HOUR,
        Interval.HALF_HOUR,
    ),
    Interval.HOUR: (
        Interval.HOUR,
        Interval.TWO_HOURS,
        Interval.FOUR_HOURS,
        Interval.SIX_HOURS,
        Interval.EIGHT_HOURS,
        Interval.TWELVE_HOURS,
    ),
    Interval.DAY: (Interval.DAY, Interval.THREE_DAYS, Interval.WEEK, Interval.MONTH),
}

_WIDTHS = {
    Interval.SECOND: timedelta(seconds=1),
    Interval.MINUTE: timedelta(minutes=1),
    Interval.THREE_MINUTES: timedelta(minutes=3),
    Interval.FIVE_MINUTES: timedelta(minutes=5),
    Interval.QUARTER_HOUR: timedelta(minutes=15),
    Interval.HALF_HOUR: timedelta(minutes=30),
    Interval.HOUR: timedelta(hours=1),
    Interval.TWO_HOURS: timedelta(hours=2),
    Interval.FOUR_HOURS: timedelta(hours=4),
    Interval.SIX_HOURS: timedelta(hours=6),
    Interval.EIGHT_HOURS: timedelta(hours=8),
    Interval.TWELVE_HOURS: timedelta(hours=12),
    Interval.DAY: _DAY,
    Interval.THREE_DAYS: 3 * _DAY,
    Interval.WEEK: 7 * _DAY,
}
