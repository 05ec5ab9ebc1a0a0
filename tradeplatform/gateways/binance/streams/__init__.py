"""Market streams, `/ws` and `/stream`: the feed's frames in this dialect's words. See docs/binance.md."""
