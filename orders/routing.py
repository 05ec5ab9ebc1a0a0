"""Which socket paths there are."""

from __future__ import annotations

from typing import Any

from channels.security.websocket import WebsocketDenier
from django.urls import re_path

from orders.consumers import FeedConsumer

# Django's patterns with ASGI applications in place of views, as Channels' router wants them.
_feed: Any = FeedConsumer.as_asgi()
_denied: Any = WebsocketDenier.as_asgi()

websocket_urlpatterns = [
    re_path(r"^ws/v1/?$", _feed),
    # Refused like a forbidden page; without it the router would raise, and log, for every wrong path.
    re_path("", _denied),
]
