"""The dialect of Binance's spot API, so that its clients trade here by changing a URL: docs/binance.md."""
