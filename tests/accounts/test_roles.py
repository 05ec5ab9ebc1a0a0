"""Who may do what: roles alone, while they last, and nobody lifts himself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.utils import timezone

from accounts.backends import RoleBackend, is_staff_now, roles_of
from accounts.models import Role, User, UserRole
from accounts.permissions import ROLE_PERMISSIONS, STAFF_ROLES, permissions_of
from accounts.services.roles import grant_role, revoke_role
from audit.actor import Actor
from audit.models import AuditRecord
from tests.factories import make_user
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("test")


def as_actor(user: User) -> Actor:
    return Actor.user(user_id=user.id, label=user.username)


def give(user: User, role: Role, actor: Actor = SYSTEM, **how: object) -> UserRole:
    return grant_role(user_id=user.id, role=role, actor=actor, now=timezone.now(), reason="joined", **how)  # type: ignore[arg-type]


def fresh(user: User) -> User:
    """The person as the next request sees them."""
    return User.objects.get(id=user.id)


def take(user: User, role: Role, actor: Actor) -> None:
    revoke_role(user_id=user.id, role=role, actor=actor, now=timezone.now(), reason="left")


def refused(ask: Callable[[], object]) -> Code:
    def picture() -> object:
        rows = list(UserRole.objects.order_by("id").values_list("user_id", "role", "expires_at"))
        flags = list(User.objects.order_by("id").values_list("id", "is_staff", "is_superuser"))
        return rows, flags, AuditRecord.objects.count()

    before = picture()
    with pytest.raises(Refusal) as caught:
        ask()
    assert picture() == before
    return caught.value.code


class TestPermissions:
    """The table and the backend."""

    def test_every_model_permission_in_the_table_exists(self) -> None:
        known = {
            f"{label}.{codename}"
            for label, codename in Permission.objects.values_list("content_type__app_label", "codename")
        }

        ours = {name for name in permissions_of(set(Role)) if ".view_" in name or ".change_" in name}
        assert ours
        assert ours <= known

    def test_every_role_but_super_admin_is_in_the_table(self) -> None:
        assert set(ROLE_PERMISSIONS) == set(Role) - {Role.SUPER_ADMIN}

    def test_a_person_has_the_union_of_their_roles(self) -> None:
        user = make_user(Role.SUPPORT, Role.RISK_MANAGER)

        assert user.has_perm("orders.cancel_order")
        assert user.has_perm("instruments.halt_instrument")
        assert not user.has_perm("accounts.deposit_tradingaccount")
        assert user.has_module_perms("orders")
        assert not make_user(Role.TRADER).has_module_perms("orders")

    def test_a_role_ends_when_it_expires(self) -> None:
        user = make_user(Role.SUPPORT)
        assert user.has_perm("orders.cancel_order")

        UserRole.objects.filter(user=user).update(expires_at=timezone.now() - timedelta(seconds=1))

        assert roles_of(fresh(user)) == set()
        assert not fresh(user).has_perm("orders.cancel_order")

    def test_the_inactive_and_the_anonymous_may_nothing(self) -> None:
        user = make_user(Role.ADMIN)
        User.objects.filter(id=user.id).update(is_active=False)

        assert not fresh(user).has_perm("orders.view_order")
        assert RoleBackend().get_all_permissions(AnonymousUser()) == set()

    def test_nothing_is_granted_on_single_objects(self) -> None:
        user = make_user(Role.ADMIN)

        assert not user.has_perm("orders.view_order", obj=user)

    @pytest.mark.parametrize("role", sorted(Role))
    def test_the_back_office_opens_to_staff_roles_while_they_last(self, role: Role) -> None:
        user = make_user()
        granted = give(user, role)
        assert is_staff_now(fresh(user)) == (role in STAFF_ROLES)

        if role != Role.SUPER_ADMIN:
            UserRole.objects.filter(id=granted.id).update(expires_at=timezone.now() - timedelta(seconds=1))
            assert not is_staff_now(fresh(user))


class TestGranting:
    """Rights change only here, with a reason and a record."""

    def test_a_grant_is_in_force_with_the_next_request_and_recorded(self) -> None:
        user = make_user(Role.TRADER)

        give(user, Role.SUPPORT)

        assert fresh(user).has_perm("orders.cancel_order")
        row = AuditRecord.objects.filter(target_id=str(user.id)).get()
        assert (row.action, row.actor_label, row.reason) == ("accounts.role.grant", "test", "joined")
        assert (row.before["roles"], row.after["roles"]) == (["trader"], ["support", "trader"])

    @pytest.mark.parametrize("role", sorted(STAFF_ROLES))
    def test_no_person_grants_a_staff_role_alone(self, role: Role) -> None:
        """The service itself refuses, whatever door it was called by; see test_staff_requests.py."""
        boss, user = make_user(), make_user()
        give(boss, Role.SUPER_ADMIN)

        with pytest.raises(ValueError, match="another person's agreement"):
            give(user, role, as_actor(boss))

        assert roles_of(user) == set()

    def test_a_super_admin_may_everything_until_revoked(self) -> None:
        boss, other = make_user(), make_user()
        give(boss, Role.SUPER_ADMIN)
        give(other, Role.SUPER_ADMIN)
        assert fresh(other).has_perm("accounts.deposit_tradingaccount")

        take(other, Role.SUPER_ADMIN, as_actor(boss))

        assert not fresh(other).has_perm("accounts.deposit_tradingaccount")
        assert (fresh(other).is_superuser, fresh(other).is_staff) == (False, False)

    def test_an_admin_cannot_make_super_admins_or_admins(self) -> None:
        admin, user = make_user(), make_user()
        give(admin, Role.ADMIN)

        assert refused(lambda: give(admin, Role.SUPER_ADMIN, as_actor(admin))) == Code.PERMISSION_DENIED
        assert refused(lambda: give(user, Role.SUPER_ADMIN, as_actor(admin))) == Code.PERMISSION_DENIED
        assert refused(lambda: give(user, Role.ADMIN, as_actor(admin))) == Code.PERMISSION_DENIED

    def test_an_admin_cannot_change_one_who_is_more(self) -> None:
        admin, boss = make_user(), make_user()
        give(admin, Role.ADMIN)
        give(boss, Role.SUPER_ADMIN)

        assert refused(lambda: give(boss, Role.SUPPORT, as_actor(admin))) == Code.PERMISSION_DENIED
        assert refused(lambda: take(boss, Role.SUPER_ADMIN, as_actor(admin))) == Code.PERMISSION_DENIED

    def test_the_last_super_admin_cannot_step_down_alone(self) -> None:
        boss = make_user()
        give(boss, Role.SUPER_ADMIN)

        assert refused(lambda: take(boss, Role.SUPER_ADMIN, as_actor(boss))) == Code.PERMISSION_DENIED

    def test_what_changes_nothing_or_makes_no_sense_is_refused(self) -> None:
        user, past = make_user(Role.SUPPORT), timezone.now() - timedelta(seconds=1)

        assert refused(lambda: give(user, Role.SUPPORT, SYSTEM)) == Code.NO_CHANGE
        assert refused(lambda: take(user, Role.TRADER, SYSTEM)) == Code.NO_CHANGE
        assert refused(lambda: give(user, Role.TRADER, SYSTEM, expires_at=past)) == Code.INVALID_FIELD
        soon = timezone.now() + timedelta(hours=1)
        assert refused(lambda: give(user, Role.SUPER_ADMIN, SYSTEM, expires_at=soon)) == Code.INVALID_FIELD

    def test_an_expired_role_can_be_given_again(self) -> None:
        user = make_user(Role.SUPPORT)
        UserRole.objects.filter(user=user).update(expires_at=timezone.now() - timedelta(days=1))

        give(user, Role.SUPPORT)

        assert fresh(user).has_perm("orders.cancel_order")
        assert UserRole.objects.filter(user=user).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_super_admins_cannot_remove_each_other_at_one_moment() -> None:
    first, second = make_user(), make_user()
    for user in (first, second):
        give(user, Role.SUPER_ADMIN)

    outcomes = all_at_once(
        [
            lambda: take(first, Role.SUPER_ADMIN, as_actor(second)),
            lambda: take(second, Role.SUPER_ADMIN, as_actor(first)),
        ],
        threads=2,
    )

    (refused,) = [outcome for outcome in outcomes if outcome is not None]
    assert isinstance(refused, Refusal)
    assert refused.code == Code.PERMISSION_DENIED
    assert UserRole.objects.filter(user__in=[first, second], role=Role.SUPER_ADMIN).count() == 1
