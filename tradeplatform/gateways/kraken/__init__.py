"""The book channel of Kraken's WebSocket API v2, for clients that check every book: docs/kraken.md."""
