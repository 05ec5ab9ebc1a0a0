"""My security: how the signed-in person logs in, and where they are logged in. Everybody's own, so no right.

What is changed here needs a fresh proof of who one is. Secrets and recovery codes are shown by the answer
that made them, once, and kept by no browser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import segno
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from accounts.api.webauthn_shapes import AttestationInput
from accounts.factor_form import FactorForm
from accounts.models import Ceremony, DeskSession, Session, User
from accounts.services import desk_sessions, login, passkeys, recovery_codes, second_factor, sessions
from accounts.services.desk_sessions import Step
from accounts.services.passkeys import Asked
from audit.admin.acting import actor_of
from tradeplatform.common.addresses import client_address
from tradeplatform.common.api_errors import problem_response
from tradeplatform.common.api_input import parse
from tradeplatform.common.errors import Refusal
from tradeplatform.common.json_codec import decode

_MOST_SESSIONS = 50
_Act = Callable[[HttpRequest, User], dict[str, Any]]


class ConfirmForm(FactorForm):
    """The password once more, and the second factor of those who have one."""

    password = forms.CharField(
        label="Password",
        max_length=128,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("password", "code", "passkey")


class CodeForm(forms.Form):
    """The first code of a new app."""

    code = forms.CharField(
        label="Code of the app",
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class PasskeyForm(forms.Form):
    """A new passkey's name, and what the browser made."""

    name = forms.CharField(
        label="Name", max_length=64, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Work laptop"})
    )
    passkey = forms.CharField(max_length=65_536, required=False, widget=forms.HiddenInput)


@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """All of it, as it is now."""
    return _shown(request, {})


@never_cache
@require_POST
def act(request: HttpRequest, name: str) -> HttpResponse:
    """Do one of the acts below and show the page with what came of it."""
    doing = _ACTS.get(name)
    if doing is None:
        raise Http404
    try:
        said = doing(request, _me(request))
    except Refusal as refusal:
        return _shown(request, {"refused": refusal.message}, status=refusal.status)
    # What is shown once is this answer; all else is shown by a page that may be loaded again.
    return _shown(request, said) if said else redirect("admin:my-security")


@never_cache
@require_POST
def confirm(request: HttpRequest) -> HttpResponse:
    """Prove again who one is."""
    form, user, now = ConfirmForm(request.POST), _me(request), timezone.now()
    if form.is_valid():
        try:
            login.require_password(
                user, form.cleaned_data["password"], request=request, ip=client_address(request), now=now
            )
            form.require_factor(user, request, Ceremony.CONFIRM)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            desk_sessions.mark_confirmed(request.session, now=now)
            desk_sessions.note(Step.CONFIRM, user=user, ip=client_address(request), now=now)
            return redirect("admin:my-security")
    return _shown(request, {"confirm": form}, status=400)


@never_cache
@require_POST
def confirm_options(request: HttpRequest) -> HttpResponse:
    """What to ask a passkey, to confirm."""
    asked = Asked(Ceremony.CONFIRM, _key(request))
    return _options(lambda: passkeys.begin_asking(_me(request), asked, now=timezone.now()))


@never_cache
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    """What to ask a browser, for a new passkey."""
    user, now, name = _me(request), timezone.now(), request.POST.get("name", "")

    def begin() -> dict[str, Any]:
        desk_sessions.require_fresh(request.session, now=now)
        return passkeys.begin_adding(user, name=name, session=_key(request), now=now)

    return _options(begin)


def _begin_app(request: HttpRequest, user: User) -> dict[str, Any]:
    setup = second_factor.begin(user, actor=actor_of(request), now=timezone.now())
    return {"setup": setup, "picture": _picture(setup.uri), "app_code": CodeForm()}


def _finish_app(request: HttpRequest, user: User) -> dict[str, Any]:
    code = request.POST.get("code", "")
    return {"codes": second_factor.finish(user, code, actor=actor_of(request), now=timezone.now())}


def _turn_app_off(request: HttpRequest, user: User) -> dict[str, Any]:
    second_factor.turn_off(user, actor=actor_of(request), now=timezone.now())
    return {}


def _renew_codes(request: HttpRequest, user: User) -> dict[str, Any]:
    return {"codes": second_factor.renew_codes(user, actor=actor_of(request), now=timezone.now())}


def _add_passkey(request: HttpRequest, user: User) -> dict[str, Any]:
    added = passkeys.add(
        user,
        name=request.POST.get("name", ""),
        answer=parse(AttestationInput, decode(request.POST.get("passkey", "").encode())),
        session=_key(request),
        actor=actor_of(request),
        now=timezone.now(),
    )
    return {"codes": added.recovery_codes} if added.recovery_codes else {}


def _remove_passkey(request: HttpRequest, user: User) -> dict[str, Any]:
    number = request.POST.get("passkey", "")
    passkey_id = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0  # noqa: PLR2004 - what a key of a row can be
    second_factor.remove_passkey(user, passkey_id, actor=actor_of(request), now=timezone.now())
    return {}


def _end_desk_session(request: HttpRequest, user: User) -> dict[str, Any]:
    name = request.POST.get("session", "")
    desk_sessions.end_own(user, name=name, actor=actor_of(request), now=timezone.now())
    return {}


def _end_api_session(request: HttpRequest, user: User) -> dict[str, Any]:
    sid = request.POST.get("session", "")
    sessions.end_own(user_id=user.pk, sid=sid, actor=actor_of(request), now=timezone.now())
    return {}


def _fresh(doing: _Act) -> _Act:
    def checked(request: HttpRequest, user: User) -> dict[str, Any]:
        desk_sessions.require_fresh(request.session, now=timezone.now())
        return doing(request, user)

    return checked


# Ending a session makes nothing weaker, so it needs no fresh proof.
_ACTS: dict[str, _Act] = {
    "app-begin": _fresh(_begin_app),
    "app-finish": _fresh(_finish_app),
    "app-off": _fresh(_turn_app_off),
    "codes": _fresh(_renew_codes),
    "passkey-add": _fresh(_add_passkey),
    "passkey-remove": _fresh(_remove_passkey),
    "desk-session-end": _end_desk_session,
    "api-session-end": _end_api_session,
}


def urls(site: admin.AdminSite) -> list[URLPattern]:
    """The addresses of this page, for those who may open the back office."""
    base = "my-security/"
    return [
        path(base, site.admin_view(page), name="my-security"),
        path(f"{base}confirm/", site.admin_view(confirm), name="my-security-confirm"),
        path(f"{base}confirm/passkey/", site.admin_view(confirm_options), name="my-security-confirm-passkey"),
        path(f"{base}passkey/", site.admin_view(passkey_options), name="my-security-passkey"),
        path(f"{base}<slug:name>/", site.admin_view(act), name="my-security-act"),
    ]


def _shown(request: HttpRequest, more: dict[str, Any], *, status: int = 200) -> HttpResponse:
    user, now = _me(request), timezone.now()
    here = DeskSession(session_key=_key(request)).name
    own = Session.objects.filter(user=user, ended_at__isnull=True, expires_at__gt=now).order_by("-id")
    context = admin.site.each_context(request) | {
        "title": "My security",
        "fresh": desk_sessions.is_fresh(request.session, now=now),
        "minutes": int(login.FRESH_FOR.total_seconds() // 60),
        "app_on": second_factor.app_is_on(user),
        "factor_on": second_factor.is_on(user),
        "passkeys": passkeys.of(user),
        "most_passkeys": passkeys.MOST,
        "codes_left": recovery_codes.left(user),
        "confirm": ConfirmForm(),
        "add_passkey": PasskeyForm(),
        "here": here,
        "desk_sessions": desk_sessions.open_of(user.pk, now=now)[:_MOST_SESSIONS],
        "api_sessions": own[:_MOST_SESSIONS],
        "acts": {name.replace("-", "_"): reverse("admin:my-security-act", args=[name]) for name in _ACTS},
    }
    return TemplateResponse(request, "accounts/my_security.html", context | more, status=status)


def _options(begin: Callable[[], dict[str, Any]]) -> HttpResponse:
    try:
        return JsonResponse({"publicKey": begin()})
    except Refusal as refusal:
        return problem_response(refusal)


def _picture(uri: str) -> SafeString:
    """The address as a QR code: an SVG in the page, with nothing in it but one path."""
    picture = segno.make(uri, error="m")
    return mark_safe(picture.svg_inline(scale=5, light="#fff", svgclass="bo-qr", lineclass=None))  # noqa: S308 - of our own making


def _me(request: HttpRequest) -> User:
    return cast("User", request.user)


def _key(request: HttpRequest) -> str:
    return request.session.session_key or ""
