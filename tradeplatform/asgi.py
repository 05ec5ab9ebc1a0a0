"""Entry point of the socket process: our feed, the gateways' sockets, and health for whoever watches it."""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeplatform.settings")

# Loads the apps, which the imports below need.
_django = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import WebsocketDenier  # noqa: E402
from django.urls import re_path  # noqa: E402

from orders import routing as feed  # noqa: E402
from tradeplatform.common.garbage import leave_out_what_is_loaded  # noqa: E402
from tradeplatform.gateways.binance import routing as binance  # noqa: E402
from tradeplatform.gateways.kraken import routing as kraken  # noqa: E402
from tradeplatform.origins import OriginCheck  # noqa: E402
from tradeplatform.system.telling import tell_of  # noqa: E402

tell_of("sockets")


async def _health_only(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Hand health questions to Django and answer 404 to the rest."""
    if scope["path"].startswith("/health/"):
        await _django(scope, receive, send)
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"Sockets only; pages are on the other port.\n"})


# Refused like a forbidden page; without it the router would raise, and log, for every wrong path.
_denied: Any = re_path("", WebsocketDenier.as_asgi())  # type: ignore[arg-type]
_routes = [*feed.websocket_urlpatterns, *kraken.websocket_urlpatterns, *binance.websocket_urlpatterns]
_sockets = OriginCheck(URLRouter([*_routes, _denied]))
leave_out_what_is_loaded()
application = ProtocolTypeRouter({"http": _health_only, "websocket": _sockets})
