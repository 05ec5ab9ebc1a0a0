"""Tables cut by time on stock Django and PostgreSQL 15+: created, kept ahead, healed, detached, archived."""

from django_partition.policy import APPEND_ONLY, QUEUE, PartitionPolicy, Period

__all__ = ["APPEND_ONLY", "QUEUE", "PartitionPolicy", "Period"]
