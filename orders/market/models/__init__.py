"""What is made of trades for those who watch: candles, and the alerts of prices."""

from orders.market.models.alert import AlertDirection, AlertState, AlertWatch, PriceAlert
from orders.market.models.candle import Candle, SecondCandle, Tape

__all__ = ["AlertDirection", "AlertState", "AlertWatch", "Candle", "PriceAlert", "SecondCandle", "Tape"]
