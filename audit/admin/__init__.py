"""The audit trail in the back office."""

from audit.admin import records

__all__ = ["records"]
