"""Dealing in the back office: positions with their buttons, and what it adds to the pages of accounts."""

from liquidity.admin import on_accounts, positions

__all__ = ["on_accounts", "positions"]
