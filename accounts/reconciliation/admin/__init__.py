"""Reconciliation in the back office: sources and their statements, matches, breaks."""

from accounts.reconciliation.admin import breaks, matches, on_transfers, sources, statements, uploads

__all__ = ["breaks", "matches", "on_transfers", "sources", "statements", "uploads"]
