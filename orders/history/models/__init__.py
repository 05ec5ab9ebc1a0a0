"""What was traded, and the position it made, at any time."""

from orders.history.models.freezing import Correction, FrozenPeriod
from orders.history.models.portfolio import Portfolio
from orders.history.models.position import DealsFollowed, LivePosition, Origin, PositionPoint, Timeline
from orders.history.models.trade import ExternalTrade, ExternalTradeIdentity, RefusedTrade

__all__ = [
    "Correction",
    "DealsFollowed",
    "ExternalTrade",
    "ExternalTradeIdentity",
    "FrozenPeriod",
    "LivePosition",
    "Origin",
    "Portfolio",
    "PositionPoint",
    "RefusedTrade",
    "Timeline",
]
