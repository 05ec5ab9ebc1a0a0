"""Everything this package raises on purpose."""


class PartitionError(Exception):
    """Base of the errors below; the message is meant for an operator."""


class PartitionLocked(PartitionError):
    """A lock was not granted within the lock timeout. Nothing changed; try again when traffic is calmer."""


class PartitionRefused(PartitionError):
    """The request names no such table or partition, or one that must not be touched. Nothing changed."""


class ArchiveMismatch(PartitionError):
    """The archive file and the table do not hold the same rows. The table stays."""
