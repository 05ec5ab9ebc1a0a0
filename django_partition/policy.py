"""What a partitioned model declares: its key, its period and how far the partitions reach.

Every bound is a UTC calendar boundary. Nothing here reads a clock or a database.
"""

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


class Period(enum.Enum):
    """Length of one partition. The value is the field name PostgreSQL's date_trunc() knows."""

    DAY = "day"
    MONTH = "month"

    def floor(self, moment: datetime) -> datetime:
        """First instant (UTC) of the period that holds `moment`, which must be aware."""
        day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day if self is Period.DAY else day.replace(day=1)

    def shift(self, start: datetime, count: int) -> datetime:
        """The period start `count` periods after (before, when negative) the period start `start`."""
        if self is Period.DAY:
            return start + timedelta(days=count)
        years, month = divmod(start.year * 12 + start.month - 1 + count, 12)
        return start.replace(year=years, month=month + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPolicy:
    """How the table of a `PartitionedModel` is cut and how long its pieces stay.

    key: name of the not-null DateTimeField the table is partitioned by.
    period: length of one partition.
    ahead: whole periods after the current one for which partitions are kept ready.
    retain: whole periods before the current one that stay attached; None keeps everything.
    heal: whole periods before the current one in which missing partitions are created. Bounded, so that
        one row with an absurd date costs one partition and not thousands.
    """

    key: str
    period: Period
    ahead: int
    retain: int | None = None
    heal: int = 31

    def __post_init__(self) -> None:
        if self.ahead < 1:
            raise ValueError("ahead must be at least 1: the next period has to exist before it begins.")
        if self.heal < 0 or (self.retain is not None and self.retain < 0):
            raise ValueError("heal and retain count whole periods and cannot be negative.")
