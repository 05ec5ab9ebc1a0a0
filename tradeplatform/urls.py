"""Every address of the HTTP side but health, a middleware: API v1 with its document, gateways, admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from tradeplatform.gateways.binance import urls as binance
from tradeplatform.gateways.kraken import urls as kraken
from tradeplatform.index import IndexView

admin.autodiscover()

_api_v1: list[URLPattern | URLResolver] = [
    path("", IndexView.as_view(), name="index"),
    path("", include("accounts.api.urls")),
    path("", include("instruments.api.urls")),
    path("", include("orders.api.urls")),
    path("", include("orders.history.api.urls")),
    path("", include("orders.market.api.urls")),
    path("", include("liquidity.api.urls")),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("api/v1/", include(_api_v1)),
    path("api/v3/", include(binance.api)),
    path("sapi/v1/", include(binance.sapi)),
    path("0/", include(kraken.api)),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    # Split: its script comes as a file of ours, which the content security policy allows.
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/docs/", RedirectView.as_view(pattern_name="docs")),
    path("admin/", admin.site.urls),
]

handler400 = "tradeplatform.fallbacks.bad_request"
handler403 = "tradeplatform.fallbacks.permission_denied"
handler404 = "tradeplatform.fallbacks.not_found"
handler500 = "tradeplatform.fallbacks.server_error"
