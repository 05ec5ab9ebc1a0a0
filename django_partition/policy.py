"""What a partitioned model declares: its key, its period and how far the partitions reach.

Every bound is a UTC calendar boundary. Nothing here reads a clock or a database.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final


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


#: Storage of rows that are never changed. They are frozen at the first visit, while their pages are in
#: memory: otherwise a table is read and written again as a whole when its transactions are old. And that
#: visit comes each time a fiftieth has been added, so that no fifth of a period that is over waits for it.
APPEND_ONLY: Final = {"autovacuum_freeze_min_age": "0", "autovacuum_vacuum_insert_scale_factor": "0.02"}

#: Storage of a queue: each row is changed soon after it came, leaves a partial index by that, and rests.
#: Whoever looks for the next wades through what is dead in that index, so it goes when it is a hundredth of
#: the table and not a fifth; `vacuum_index_cleanup`, for PostgreSQL spares indexes where so little is dead.
QUEUE: Final = {
    "autovacuum_vacuum_threshold": "50000",
    "autovacuum_vacuum_scale_factor": "0.01",
    "vacuum_index_cleanup": "on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPolicy:
    """How the table of a `PartitionedModel` is cut and how long its pieces stay.

    key: name of the not-null DateTimeField the table is partitioned by.
    period: length of one partition.
    ahead: whole periods after the current one for which partitions are kept ready.
    retain: whole periods before the current one that stay attached; None keeps everything.
    heal: whole periods before the current one in which missing partitions are created. Bounded, so that
        one row with an absurd date costs one partition and not thousands.
    storage: storage parameters of each partition, as PostgreSQL writes them down, such as
        {"fillfactor": "70"}; a partitioned table itself takes none. APPEND_ONLY and QUEUE are two such.
    """

    key: str
    period: Period
    ahead: int
    retain: int | None = None
    heal: int = 31
    storage: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.ahead < 1:
            raise ValueError("ahead must be at least 1: the next period has to exist before it begins.")
        if self.heal < 0 or (self.retain is not None and self.retain < 0):
            raise ValueError("heal and retain count whole periods and cannot be negative.")
