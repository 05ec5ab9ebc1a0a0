"""People, trading accounts and the ledger in the back office."""

from accounts.admin import (
    accounts,
    api_keys,
    groups,
    ledger,
    limits,
    money_requests,
    people,
    proof,
    sessions,
    tiers,
    transfers,
)

__all__ = [
    "accounts",
    "api_keys",
    "groups",
    "ledger",
    "limits",
    "money_requests",
    "people",
    "proof",
    "sessions",
    "tiers",
    "transfers",
]
