"""The socket paths of our own feed."""

from __future__ import annotations

from typing import Any

from django.urls import re_path

from orders.consumers import FeedConsumer

# Django's patterns with ASGI applications in place of views, as Channels' router wants them.
_feed: Any = FeedConsumer.as_asgi()

websocket_urlpatterns = [re_path(r"^ws/v1/?$", _feed)]
