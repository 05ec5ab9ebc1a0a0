"""The socket path of this dialect."""

from __future__ import annotations

from typing import Any

from django.urls import re_path

from tradeplatform.gateways.kraken.consumers import KrakenConsumer

_book: Any = KrakenConsumer.as_asgi()

websocket_urlpatterns = [re_path(r"^v2/?$", _book)]
