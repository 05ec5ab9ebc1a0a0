"""Sessions of the API: who is logged in, since when and from where; and ending one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import Session, SessionEnd
from accounts.services.sessions import end_by_operator
from audit.admin.acting import actor_of
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.admin.show import Tone


class EndSession(Button):
    """Log somebody out."""

    name, label, icon = "end", "End session", "logout"
    permission = "accounts.end_session"
    danger = True

    def shown(self, obj: Session) -> bool:
        """While it goes on."""
        return obj.ended_at is None

    def why_not(self, obj: Session) -> str:
        """Already so."""
        return "" if obj.ended_at is None else f"{obj} has ended already."

    def effects(self, obj: Session, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What ends and what goes on."""
        return [
            Effect("Its tokens", "work", "refused from the next request on"),
            Effect("Its sockets", "open", "closed at once"),
            Effect(f"The login of {obj.user}", "works", "works: deactivate the person to shut them out"),
        ]

    def act(self, obj: Session, data: Mapping[str, Any]) -> Done:
        """End it."""
        now = timezone.now()
        end_by_operator(session_id=obj.pk, actor=actor_of(self.request), now=now, reason=data["reason"])
        return Done(f"{obj} of {obj.user} has ended.")


class EndFilter(ChoiceFilter):
    """How it ended."""

    title, parameters = "end", ("ended",)
    options = (("not", "Goes on"), *SessionEnd.choices)

    def narrow(self, queryset: QuerySet[Session], chosen: str) -> QuerySet[Session]:
        """By why it ended."""
        return queryset.filter(ended_why="" if chosen == "not" else chosen)


@admin.register(Session)
class SessionAdmin(DetailMixin, KeysetList):
    """The sessions of a month."""

    question = "Who is logged in through the API, since when, and from where?"
    when_empty = "Nobody has logged in through the API for a month."
    search_hint = "Username, exactly"
    list_display = ("named", "person", "state", "opened", "renewed", "address", "program")
    list_display_links = ("named",)
    list_filter = (EndFilter,)
    buttons: ClassVar[list[type[Button]]] = [EndSession]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """With the person."""
        return Session.objects.select_related("user")

    def search_rows(self, queryset: QuerySet[Session], term: str) -> QuerySet[Session]:
        """By person."""
        return queryset.filter(user__username=term)

    @admin.display(description="Session")
    def named(self, session: Session) -> SafeString | str:
        """The beginning of its id."""
        return show.mono(session.sid[:8])

    @admin.display(description="Person")
    def person(self, session: Session) -> SafeString | str:
        """Whose."""
        return show.ref(session.user)

    @admin.display(description="State")
    def state(self, session: Session) -> SafeString:
        """Whether it goes on."""
        return _state(session)

    @admin.display(description="Opened (UTC)")
    def opened(self, session: Session) -> SafeString | str:
        """When."""
        return show.when(session.opened_at)

    @admin.display(description="Renewed (UTC)")
    def renewed(self, session: Session) -> SafeString | str:
        """When its tokens last were."""
        return show.when(session.renewed_at)

    @admin.display(description="From")
    def address(self, session: Session) -> SafeString | str:
        """The address of the login."""
        return show.mono(session.ip)

    @admin.display(description="Program")
    def program(self, session: Session) -> str:
        """What it called itself."""
        return session.agent[:60] or show.NOTHING

    def heading(self, session: Session) -> str:
        """Whose and which."""
        return f"{session} of {session.user}"

    def badges(self, session: Session) -> Iterable[SafeString]:
        """Whether it goes on."""
        return [_state(session)]

    def panels(self, request: HttpRequest, session: Session) -> Iterable[Panel]:
        """All there is to know."""
        yield Facts(
            "Session",
            [
                Fact("Person", show.ref(session.user)),
                Fact("Id", show.mono(session.sid), "Orders placed in it carry it."),
                Fact("Opened (UTC)", show.when(session.opened_at)),
                Fact("From", show.mono(session.ip)),
                Fact("Program", session.agent or show.NOTHING),
                Fact("Renewed (UTC)", show.when(session.renewed_at)),
                Fact("Confirmed (UTC)", show.when(session.confirmed_at), "When its owner last proved it."),
                Fact("Expires (UTC)", show.when(session.expires_at), "Unless it is renewed."),
                Fact("Ended (UTC)", show.when(session.ended_at)),
                Fact("Why", session.get_ended_why_display() or show.NOTHING),
            ],
            wide=True,
        )


def _state(session: Session) -> SafeString:
    if session.ended_at is not None:
        bad = session.ended_why == SessionEnd.REFRESH_REUSED
        return show.badge(session.get_ended_why_display(), Tone.BAD if bad else Tone.QUIET)
    if session.expires_at <= timezone.now():
        return show.badge("Expired", Tone.QUIET)
    return show.badge("Open", Tone.GOOD)
