"""Orders and everything that comes of them in the back office, and what trading adds to pages below."""

from orders.admin import (
    books,
    commands,
    events,
    fills,
    kill_switch,
    on_accounts,
    on_instruments,
    orders,
    quarantine,
    shards,
    trades,
)

__all__ = [
    "books",
    "commands",
    "events",
    "fills",
    "kill_switch",
    "on_accounts",
    "on_instruments",
    "orders",
    "quarantine",
    "shards",
    "trades",
]
