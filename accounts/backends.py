"""Answers "may this person?" from roles alone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Q
from django.utils import timezone

from accounts.models import Role, User, UserRole
from accounts.permissions import STAFF_ROLES, permissions_of


def roles_of(user: User) -> set[Role]:
    """The roles in force now."""
    in_force = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    granted = UserRole.objects.filter(in_force, user=user).values_list("role", flat=True)
    return {Role(role) for role in granted}


def is_staff_now(user: User) -> bool:
    """Whether the person may open the back office: `is_staff` alone would outlive a role that has expired."""
    if not (user.is_active and user.is_staff):
        return False
    return user.is_superuser or bool(_roles_once(user) & STAFF_ROLES)


def roles_held(user: Any) -> frozenset[str]:
    """What this person may act as now: a super admin as anything, somebody inactive as nothing."""
    if not user.is_active:
        return frozenset()
    return frozenset(Role.values) if user.is_superuser else frozenset(_roles_once(user))


def _roles_once(user: User) -> set[Role]:
    """The roles in force, read once for each user object, that is each request."""
    if not hasattr(user, "_roles_in_force"):
        user._roles_in_force = roles_of(user)  # type: ignore[attr-defined]  # noqa: SLF001 - our cache
    return set(user._roles_in_force)  # type: ignore[attr-defined]  # noqa: SLF001


class RoleBackend(ModelBackend):
    """Django's password check with role-based permissions; a super admin holds them all."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """All permission names the person holds; read once for each user object, that is each request."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        return set(permissions_of(_roles_once(user_obj)))

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Whether the person may; Django has already said yes for active superusers."""
        return perm in self.get_all_permissions(user_obj, obj)
