"""Everything this package raises on purpose."""


class PartitionError(Exception):
    """Base of the errors below; the message is meant for an operator."""


class PartitionLockedError(PartitionError):
    """A lock was not granted within the lock timeout. Nothing changed; try again when traffic is calmer."""


class PartitionRefusedError(PartitionError):
    """The request names no such table or partition, or one that must not be touched. Nothing changed."""


class PlanChangedError(PartitionError):
    """The plan is not the one that was agreed to. Nothing changed."""


class ArchiveMismatchError(PartitionError):
    """The archive file and the table do not hold the same rows. The table stays."""
