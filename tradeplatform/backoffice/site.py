"""The back office site: who may come in, the first page, and addresses that belong to no single table."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST
from unfold.sites import UnfoldAdminSite

from accounts.backends import is_staff_now
from accounts.models import Ceremony, SessionEnd, User
from accounts.services import desk_sessions, login
from accounts.services.desk_sessions import Step
from accounts.services.passkeys import Asked
from accounts.services.sessions import end_all_sessions
from tradeplatform.common.addresses import client_address
from tradeplatform.common.api_errors import problem_response
from tradeplatform.common.errors import Refusal

#: What other packages register and nobody here needs: rights come from roles, lockouts end by themselves.
_FOREIGN_APPS = frozenset({"auth", "axes"})

_View = Callable[[HttpRequest], HttpResponse]


class BackOfficeSite(UnfoldAdminSite):
    """Open to people who hold a staff role that has not expired."""

    index_title = "Dashboard"
    index_template = "backoffice/dashboard.html"
    login_template = "backoffice/login.html"
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

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Let a person in, or not; either is recorded, but not what a lockout answers."""
        with transaction.atomic():
            answer: HttpResponse = super().login(request, extra_context)
            if request.method == "POST" and isinstance(request.user, User):
                self._note(Step.OPEN, request, request.user)
                desk_sessions.mark_opened(
                    request.session,
                    ip=client_address(request),
                    agent=request.headers.get("User-Agent", ""),
                    now=timezone.now(),
                )
            elif request.method == "POST" and not getattr(request, "axes_locked_out", False):
                desk_sessions.note_refused(
                    username=request.POST.get("username", "").replace("\0", ""),
                    ip=client_address(request),
                    now=timezone.now(),
                )
        return answer

    def passkey_options(self, request: HttpRequest) -> HttpResponse:
        """What the login page's script is to ask a passkey for, if name and password are right."""
        if not request.session.session_key:
            request.session.create()
        asked = Asked(Ceremony.DESK_LOGIN, request.session.session_key or "")
        try:
            options = login.ask_passkeys(
                request=request,
                username=request.POST.get("username", ""),
                password=request.POST.get("password", ""),
                asked=asked,
                ip=client_address(request),
                now=timezone.now(),
            )
        except Refusal as refusal:
            return problem_response(refusal)
        return JsonResponse({"publicKey": options})

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """End the session, and say so in the record."""
        user = request.user
        with transaction.atomic():
            answer: HttpResponse = super().logout(request, extra_context)
            if request.method == "POST" and isinstance(user, User):
                self._note(Step.CLOSE, request, user)
        return answer

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """A person's own password; the record does not hold it."""
        with transaction.atomic():
            answer: HttpResponse = super().password_change(request, extra_context)
            if answer.status_code == HTTPStatus.FOUND and isinstance(request.user, User):
                self._note(Step.PASSWORD, request, request.user)
                end_all_sessions(request.user, SessionEnd.PASSWORD, now=timezone.now())
        return answer

    def _note(self, step: Step, request: HttpRequest, user: User) -> None:
        desk_sessions.note(step, user=user, ip=client_address(request), now=timezone.now())

    def get_urls(self) -> list[Any]:
        """The market pages, then everything that is registered."""
        # Pages register with this site when they are loaded, so it must be there before them.
        from accounts.admin import my_security  # noqa: PLC0415
        from orders.admin.market import armed_view, market_view, markets_view, waiting_view  # noqa: PLC0415
        from orders.history.admin.report import report_view  # noqa: PLC0415
        from tradeplatform.system.page import minutes_view, system_view  # noqa: PLC0415

        return [
            path("market/", self.admin_view(markets_view), name="markets"),
            path("market/<str:symbol>/", self.admin_view(market_view), name="market"),
            path("market/<str:symbol>/armed/", self.admin_view(armed_view), name="armed"),
            path("waiting/", self.admin_view(waiting_view), name="waiting"),
            *my_security.urls(self),
            path("login/passkey/", _asking(self.passkey_options), name="login-passkey"),
            path("system/", self.admin_view(system_view), name="system"),
            path("system/minutes/", self.admin_view(minutes_view), name="system-minutes"),
            path("report/", self.admin_view(report_view), name="report"),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The dashboard."""
        from tradeplatform.backoffice.dashboard import dashboard  # noqa: PLC0415 - as above

        return super().index(request, (extra_context or {}) | dashboard(request))


def _asking(view: _View) -> _View:
    """A door of the login page: open to whoever has the page, and its answers are kept by nobody."""
    return never_cache(csrf_protect(require_POST(view)))
