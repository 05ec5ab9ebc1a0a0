"""Market data in the back office."""

from orders.market.admin import alerts

__all__ = ["alerts"]
