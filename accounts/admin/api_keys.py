"""API keys: which programs may act for whom. Never their secrets, which nobody can look up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import ApiKey, KeyKind, Scope
from accounts.services.key_issuing import revoke_key
from audit.admin.acting import actor_of
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.admin.show import Tone

_TONES = {Scope.READ: Tone.QUIET, Scope.TRADE: Tone.INFO, Scope.WITHDRAW: Tone.WARN}


class RevokeKey(Button):
    """End it for ever."""

    name, label, icon = "revoke", "Revoke", "key_off"
    permission = "accounts.revoke_apikey"
    danger = True

    def shown(self, obj: ApiKey) -> bool:
        """While it lives."""
        return obj.revoked_at is None

    def why_not(self, obj: ApiKey) -> str:
        """Already so."""
        return "" if obj.revoked_at is None else f"{obj} was revoked already."

    def effects(self, obj: ApiKey, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What ends and what goes on."""
        return [
            Effect("Requests with it", "work", "refused within a second, for ever"),
            Effect("Its secret", "in the vault" if obj.kind == KeyKind.HMAC else "ours never", "destroyed"),
            Effect("Orders it placed", "as they are", "as they are: cancel them on the account's page"),
        ]

    def act(self, obj: ApiKey, data: Mapping[str, Any]) -> Done:
        """Revoke it."""
        now = timezone.now()
        revoke_key(key_id=obj.pk, actor=actor_of(self.request), now=now, reason=data["reason"])
        return Done(f"{obj} is revoked.")


class KindFilter(ChoiceFilter):
    """How it signs."""

    title, parameters, options = "kind", ("kind",), KeyKind.choices


@admin.register(ApiKey)
class ApiKeyAdmin(DetailMixin, KeysetList):
    """All keys, the newest first."""

    question = "Which programs may act for whom, what may they do, and are they in use?"
    when_empty = "No key yet. Clients create theirs by the API: POST /auth/keys."
    search_hint = "The key's id, or an account number such as ACC-000001"
    list_display = ("named", "account_of", "owner", "allowed", "state", "used")
    list_display_links = ("named",)
    list_filter = (KindFilter,)
    buttons: ClassVar[list[type[Button]]] = [RevokeKey]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """With account and owner."""
        return ApiKey.objects.select_related("account__user")

    def search_rows(self, queryset: QuerySet[ApiKey], term: str) -> QuerySet[ApiKey]:
        """By key or by account."""
        keys = queryset.filter(key_id=term)
        return keys if len(term) == 64 else queryset.filter(account__account_number=term)  # noqa: PLR2004

    @admin.display(description="Key")
    def named(self, key: ApiKey) -> str:
        """Its label and the beginning of its id."""
        return str(key)

    @admin.display(description="Account")
    def account_of(self, key: ApiKey) -> SafeString | str:
        """Whose money it reaches."""
        return show.ref(key.account)

    @admin.display(description="Owner")
    def owner(self, key: ApiKey) -> SafeString | str:
        """In whose name it acts."""
        return show.ref(key.account.user)

    @admin.display(description="May")
    def allowed(self, key: ApiKey) -> SafeString:
        """Its scopes."""
        return show.together(show.badge(Scope(scope).label, _TONES[Scope(scope)]) for scope in key.scopes)

    @admin.display(description="State")
    def state(self, key: ApiKey) -> SafeString:
        """Whether it works."""
        return _state(key)

    @admin.display(description="Last used (UTC)")
    def used(self, key: ApiKey) -> SafeString | str:
        """At most a minute behind."""
        return show.when(key.last_used_at)

    def badges(self, key: ApiKey) -> Iterable[SafeString]:
        """Whether it works, and what it may."""
        return [_state(key), self.allowed(key)]

    def panels(self, request: HttpRequest, key: ApiKey) -> Iterable[Panel]:
        """All there is to know; the secret is not known."""
        yield Facts(
            "Key",
            [
                Fact("Id", show.mono(key.key_id), "Public: it says who calls, not that they are real."),
                Fact("Account", show.ref(key.account)),
                Fact("Owner", show.ref(key.account.user)),
                Fact("Signs by", key.get_kind_display()),
                Fact("From", ", ".join(key.allowed_ips) or "any address"),
                Fact("Secrets so far", show.number(key.generation)),
                Fact("Created (UTC)", show.when(key.created_at)),
                Fact("Expires (UTC)", show.when(key.expires_at) if key.expires_at else "never"),
                Fact("Last used (UTC)", show.when(key.last_used_at), "At most a minute behind."),
                Fact("Revoked (UTC)", show.when(key.revoked_at)),
            ],
            wide=True,
        )


def _state(key: ApiKey) -> SafeString:
    if key.revoked_at is not None:
        return show.badge("Revoked", Tone.BAD)
    if key.expires_at is not None and key.expires_at <= timezone.now():
        return show.badge("Expired", Tone.QUIET)
    if not key.account.user.is_active:
        return show.badge("Owner shut out", Tone.BAD)
    return show.badge("Works", Tone.GOOD)
