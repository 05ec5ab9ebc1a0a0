"""People, trading accounts and the ledger in the back office."""

from accounts.admin import accounts, groups, ledger, limits, money_requests, people, proof, transfers

__all__ = ["accounts", "groups", "ledger", "limits", "money_requests", "people", "proof", "transfers"]
