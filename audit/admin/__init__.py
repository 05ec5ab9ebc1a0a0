"""The audit trail, the approvals inbox and its policies in the back office."""

from audit.admin import approvals, policies, records

__all__ = ["approvals", "policies", "records"]
