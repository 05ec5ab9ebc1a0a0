"""The socket paths of this dialect."""

from __future__ import annotations

from typing import Any

from django.urls import re_path

from tradeplatform.gateways.binance.consumers import CombinedStreamConsumer, StreamConsumer
from tradeplatform.gateways.binance.wsapi.consumers import ApiConsumer

_plain: Any = StreamConsumer.as_asgi()
_combined: Any = CombinedStreamConsumer.as_asgi()
_requests: Any = ApiConsumer.as_asgi()

# `/ws/v1` is our own feed's, and so is what would be another version of it: no stream has such a name.
websocket_urlpatterns = [
    re_path(r"^ws(?:/(?!v[0-9])(?P<names>.*))?$", _plain),
    re_path(r"^stream/?$", _combined),
    re_path(r"^ws-api/v3/?$", _requests),
]
