"""What dealing remembers beside positions and deals, which live with the accounts."""

from liquidity.models.watch import PriceWatch

__all__ = ["PriceWatch"]
