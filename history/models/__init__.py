"""What was traded, and the position it made, at any time."""

from history.models.freezing import Correction, FrozenPeriod
from history.models.portfolio import Portfolio
from history.models.position import LivePosition, Origin, PositionPoint, Timeline
from history.models.trade import ExternalTrade, ExternalTradeIdentity, RefusedTrade

__all__ = [
    "Correction",
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
