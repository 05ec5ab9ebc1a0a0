"""People, trading accounts and the ledger in the back office."""

from accounts.admin import accounts, ledger, people, transfers

__all__ = ["accounts", "ledger", "people", "transfers"]
