"""The back office site: who may come in, the first page, and addresses that belong to no single table."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import path
from unfold.sites import UnfoldAdminSite

from accounts.backends import is_staff_now

#: What other packages register and nobody here needs: rights come from roles, tokens are secrets, and
#: lockouts end by themselves.
_FOREIGN_APPS = frozenset({"auth", "token_blacklist", "axes"})


class BackOfficeSite(UnfoldAdminSite):
    """Open to people who hold a staff role that has not expired."""

    index_title = "Dashboard"
    index_template = "backoffice/dashboard.html"
    empty_value_display = "\N{EN DASH}"
    enable_nav_sidebar = True

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take our own pages; leave those of other packages out."""
        models = model_or_iterable if isinstance(model_or_iterable, tuple | list) else [model_or_iterable]
        own = [model for model in models if model._meta.app_label not in _FOREIGN_APPS]
        super().register(own, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """A staff role in force, now."""
        return request.user.is_authenticated and is_staff_now(request.user)

    def get_urls(self) -> list[Any]:
        """The market pages, then everything that is registered."""
        # Pages register with this site when they are loaded, so it must be there before them.
        from orders.admin.market import market_view, markets_view  # noqa: PLC0415

        return [
            path("market/", self.admin_view(markets_view), name="markets"),
            path("market/<str:symbol>/", self.admin_view(market_view), name="market"),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The dashboard."""
        from tradeplatform.backoffice.dashboard import dashboard  # noqa: PLC0415 - as above

        return super().index(request, (extra_context or {}) | dashboard(request))
