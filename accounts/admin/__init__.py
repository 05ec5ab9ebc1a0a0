"""People, trading accounts and the ledger in the back office."""

from accounts.admin import accounts, groups, ledger, people, transfers

__all__ = ["accounts", "groups", "ledger", "people", "transfers"]
