"""Who may act on whom: rights alone would let an admin reset a super admin's password and become one."""

from __future__ import annotations

from accounts.models import Role, User, UserRole
from audit.actor import Actor, ActorKind
from audit.models import ApprovalRequest
from tradeplatform.common.errors import Code, Refusal

# Holding one of these is the power to change other people's rights.
POWERFUL = frozenset({Role.ADMIN, Role.SUPER_ADMIN})


def lock_user(user_id: int, actor: Actor) -> User:
    """The person to be changed, locked together with the actor, in id order.

    Both rows are locked, so that two super admins cannot take each other's rights at one moment: whoever
    comes second no longer has the right. Raises Refusal not_found. Must be called in a transaction.
    """
    ids = {user_id} if actor.user_id is None else {user_id, actor.user_id}
    locked = {
        user.id: user
        for user in User.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id")
    }
    if user_id not in locked:
        raise Refusal(Code.NOT_FOUND, "No such user.", user=user_id)
    return locked[user_id]


def answerable(actor: Actor, approval: ApprovalRequest | None) -> Actor:
    """Who answers for an act, and whose authority counts: who asked for it, where another has agreed."""
    if approval is None:
        return actor
    return Actor.user(user_id=approval.maker_id, label=approval.maker_label)


def require_agreement(actor: Actor, user: User, approval: ApprovalRequest | None) -> None:
    """Refuse to do alone what takes two people, and anybody who would agree about themselves.

    The platform itself (seeding, commands on the server's shell) may alone. Raises Refusal
    permission_denied, and ValueError where a person's act comes without its approval.
    """
    if actor.kind == ActorKind.SYSTEM:
        return
    if approval is None:
        raise ValueError("a person's act on a staff login takes another person's agreement")
    if actor.user_id == user.pk:
        raise Refusal(Code.PERMISSION_DENIED, "Nobody agrees about their own login or rights.")


def hands_of(user_id: int) -> frozenset[int]:
    """Who may act under a person's name: they, and who chose their password, until they choose one."""
    chosen = User.objects.filter(id=user_id, password_set_by__isnull=False)
    return frozenset({user_id, *chosen.values_list("password_set_by_id", flat=True)})


def require_authority(actor: Actor, user: User, *, needs_super: bool = False) -> None:
    """Refuse unless `actor` may change `user`: a powerful person is changed by a super admin only.

    The platform itself (seeding, commands) may always.
    """
    if actor.kind == ActorKind.SYSTEM:
        return
    powerful = UserRole.objects.filter(user=user, role__in=POWERFUL).exists()
    if (needs_super or powerful) and not _is_super(actor):
        raise Refusal(Code.PERMISSION_DENIED, "Only a super admin may do this to a person with such rights.")


def _is_super(actor: Actor) -> bool:
    if actor.user_id is None:
        return False
    return User.objects.filter(id=actor.user_id, is_active=True, is_superuser=True).exists()
