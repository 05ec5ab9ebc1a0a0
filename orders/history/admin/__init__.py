"""Positions over time in the back office."""

from orders.history.admin import frozen, portfolios, positions, trades

__all__ = ["frozen", "portfolios", "positions", "trades"]
