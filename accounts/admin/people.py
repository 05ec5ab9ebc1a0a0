"""People: who they are, what they may do, which accounts they have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.admin import login_buttons, people_buttons
from accounts.admin import show as party
from accounts.admin.desk_sessions import EndDeskSession, desk_panel
from accounts.admin.tiers import ChangeTier
from accounts.models import KycStatus, Role, TradingAccount, User, UserRole
from accounts.permissions import STAFF_ROLES, permissions_of
from accounts.services import desk_sessions, second_factor
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone

KYC_TONE = {
    KycStatus.APPROVED: Tone.GOOD,
    KycStatus.REJECTED: Tone.BAD,
    KycStatus.UNDER_REVIEW: Tone.WARN,
    KycStatus.PENDING: Tone.QUIET,
}


class RoleFilter(ChoiceFilter):
    """What they may do."""

    title, parameters, options = "role", ("role",), Role.choices

    def narrow(self, queryset: QuerySet[User], chosen: str) -> QuerySet[User]:
        """Who holds the role, whether or not it has expired."""
        return queryset.filter(id__in=UserRole.objects.filter(role=chosen).values("user_id"))


class KycFilter(ChoiceFilter):
    """Where the identity check stands."""

    title, parameters, lookup, options = "identity", ("kyc",), "kyc_status", KycStatus.choices


class ActiveFilter(ChoiceFilter):
    """Whether they may log in."""

    title, parameters, lookup = "login", ("active",), "is_active"
    options = (("True", "Active"), ("False", "Deactivated"))


@admin.register(User)
class UserAdmin(DetailMixin, KeysetList):
    """Everybody, the newest first."""

    question = "Who is this, what may they do, and can they log in?"
    when_empty = "Nobody is here yet. Add a person, or run `manage.py seed`."
    search_hint = "Username or e-mail, exactly"
    list_display = ("username", "full_name", "email", "roles_held", "identity", "login", "last_seen")
    list_display_links = ("username",)
    list_filter = (RoleFilter, KycFilter, ActiveFilter)
    buttons: ClassVar[list[type[Button]]] = [
        people_buttons.GrantRole,
        people_buttons.RevokeRole,
        people_buttons.EditUser,
        people_buttons.ChangeIdentity,
        login_buttons.SetPassword,
        ChangeTier,
        login_buttons.ResetSecondFactor,
        EndDeskSession,
        login_buttons.Deactivate,
        login_buttons.Activate,
    ]
    list_buttons: ClassVar[list[type[Button]]] = [people_buttons.CreateUser]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With their roles, read once for the whole page."""
        held = UserRole.objects.select_related("granted_by").order_by("granted_at", "id")
        return User.objects.select_related("rate_tier", "password_set_by").prefetch_related(
            Prefetch("roles", queryset=held)
        )

    def search_rows(self, queryset: QuerySet[User], term: str) -> QuerySet[User]:
        """Both are unique and indexed."""
        return queryset.filter(Q(username=term) | Q(email=term))

    @admin.display(description="Name")
    def full_name(self, user: User) -> str:
        """First and last name."""
        return user.get_full_name() or show.NOTHING

    @admin.display(description="Roles")
    def roles_held(self, user: User) -> SafeString | str:
        """As badges."""
        return show.together(_badge(role) for role in user.roles.all()) or show.NOTHING

    @admin.display(description="Identity")
    def identity(self, user: User) -> SafeString:
        """Of the check."""
        return _kyc(user)

    @admin.display(description="Login")
    def login(self, user: User) -> SafeString:
        """May they."""
        return _login(user)

    @admin.display(description="Last login (UTC)")
    def last_seen(self, user: User) -> SafeString | str:
        """When."""
        return show.when(user.last_login)

    def badges(self, user: User) -> Iterable[SafeString]:
        """Login and identity."""
        return [_login(user), _kyc(user)]

    def subheading(self, user: User) -> str:
        """The name."""
        return party.person(user)

    def panels(self, request: HttpRequest, user: User) -> Iterable[Panel]:
        """Details, roles, accounts."""
        held = list(user.roles.all())
        yield Facts(
            "Person",
            [
                Fact("Username", show.mono(user.username)),
                Fact("Name", user.get_full_name() or show.NOTHING),
                Fact("E-mail", user.email),
                Fact("Phone", user.phone or show.NOTHING),
                Fact("Country", user.country_code or show.NOTHING),
                Fact("Identity", _kyc(user)),
                Fact("Identity level", show.number(user.kyc_level)),
                Fact("Second factor", second_factor.in_words(user)),
                Fact("Password chosen by", _who_chose(user)),
                Fact("Rate tier", show.ref(user.rate_tier) if user.rate_tier else "standard"),
                Fact("E-mail verified", "Yes" if user.is_verified else "No"),
                Fact("Joined (UTC)", show.when(user.date_joined)),
                Fact("Last login (UTC)", show.when(user.last_login)),
            ],
            wide=True,
        )
        yield Table(
            "Roles",
            columns("Role", "Granted (UTC)", "By", "Until (UTC)", "What it allows"),
            [
                [
                    _badge(role),
                    show.when(role.granted_at),
                    show.ref(role.granted_by) if role.granted_by else "seed",
                    show.when(role.expires_at) if role.expires_at else "for good",
                    _allows(Role(role.role)),
                ]
                for role in held
            ],
            empty="No role: this person may only use what needs none. Press Grant role.",
        )
        desk = desk_sessions.open_of(user.pk, now=timezone.now())[:20]
        if user.is_staff or desk:
            yield desk_panel(desk)
        accounts = user.accounts.select_related("currency").order_by("id")[:100]
        yield Table(
            "Trading accounts",
            columns("Account", "State", "Currency", "#Leverage", "Opened (UTC)"),
            [
                [
                    show.ref(account),
                    show.together(party.account_states(account)),
                    account.currency.code,
                    show.number(account.leverage),
                    show.when(account.created_at),
                ]
                for account in accounts
            ],
            empty="No trading account yet. Open one on the list of trading accounts.",
            more=(show.list_of(TradingAccount, owner=user.username), "In the list of accounts")
            if request.user.has_perm("accounts.view_tradingaccount")
            else None,
        )


def _badge(role: UserRole) -> SafeString:
    if role.expires_at and role.expires_at <= timezone.now():
        return show.badge(f"{role.get_role_display()} (expired)", Tone.QUIET)
    if role.role == Role.SUPER_ADMIN:
        return show.badge(role.get_role_display(), Tone.WARN)
    return show.badge(role.get_role_display(), Tone.INFO if role.role in STAFF_ROLES else Tone.QUIET)


def _kyc(user: User) -> SafeString:
    words = f"Identity {user.get_kyc_status_display().lower()}"
    return show.badge(words, KYC_TONE[KycStatus(user.kyc_status)])


def _who_chose(user: User) -> SafeString | str:
    """Who else may know it, for approvals count them as this person."""
    if not user.has_usable_password():
        return "nobody: no login by password"
    return show.ref(user.password_set_by) if user.password_set_by else "its owner, or the server's shell"


def _login(user: User) -> SafeString:
    return show.badge("Active", Tone.GOOD) if user.is_active else show.badge("Deactivated", Tone.BAD)


def _allows(role: Role) -> str:
    if role == Role.SUPER_ADMIN:
        return "Everything"
    acts = sorted(name.split(".")[1] for name in permissions_of({role}) if ".view_" not in name)
    looks = any(".view_" in name for name in permissions_of({role}))
    if not looks:
        return "The API and the feed, with their own accounts"
    return "Look at everything listed" + (f"; {', '.join(acts).replace('_', ' ')}" if acts else "")
