"""Binance's WebSocket API, `/ws-api/v3`: the requests of REST over a socket, and the user data stream."""
