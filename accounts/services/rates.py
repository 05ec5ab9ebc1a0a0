"""What a person's tier allows, and counting an account's orders by it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import RateTier, User
from accounts.services.authority import lock_user, require_authority
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from tradeplatform.common.changes import Seen, apply_changes, plain
from tradeplatform.common.db import require_transaction
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.limits import Limit, take

STANDARD = "standard"
TIER_FIELDS = ("calls_1m", "orders_10s", "orders_1d")
_TEN_SECONDS, _DAY = 10, 86_400
# A changed tier is in force everywhere after so long.
_FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of a tier. These values stand where no tier does: they stop a loop gone wild, not a busy trader."""

    calls_1m: int = 12_000
    orders_10s: int = 100_000
    orders_1d: int = 50_000_000


_SEEDED = {
    "restricted": Allowance(calls_1m=600, orders_10s=50, orders_1d=160_000),
    STANDARD: Allowance(),
    "professional": Allowance(calls_1m=60_000, orders_10s=400_000, orders_1d=1_000_000_000),
}

_tiers: dict[int | None, Allowance] = {}
_fresh_until = 0.0


def allowance(tier_id: int | None) -> Allowance:
    """What a tier allows; None is the standard one."""
    global _tiers, _fresh_until
    if _fresh_until <= time.monotonic():
        rows = RateTier.objects.values_list("id", "name", *TIER_FIELDS)
        found: dict[int | None, Allowance] = {}
        for number, name, *values in rows:
            found[number] = Allowance(*values)
            if name == STANDARD:
                found[None] = found[number]
        _tiers, _fresh_until = found, time.monotonic() + _FRESH_SECONDS
    return _tiers.get(tier_id) or _tiers.get(None) or Allowance()


def order_limits(account_id: int, orders: int, allowed: Allowance) -> list[Limit]:
    """The two limits of an account's orders, for so many new ones."""
    return [
        Limit(f"orders:{account_id}", allowed.orders_10s, _TEN_SECONDS, orders),
        Limit(f"orders:{account_id}", allowed.orders_1d, _DAY, orders),
    ]


def take_orders(orders: Mapping[int, int], *, tier_id: int | None, now: datetime) -> None:
    """Count new orders by account, all or none. Raises Refusal too_many_orders; cancels are never counted."""
    allowed = allowance(tier_id)
    limits = [limit for account, count in orders.items() for limit in order_limits(account, count, allowed)]
    try:
        take(limits, now=now.timestamp())
    except Refusal as refusal:
        most, seconds = refusal.context["limit"], refusal.context["seconds"]
        sentence = f"Too many orders: at most {most} of an account in {seconds} seconds. Cancels go on."
        raise Refusal(Code.TOO_MANY_ORDERS, sentence, **refusal.context) from None


def seed_tiers() -> int:
    """Add the tiers that are missing; returns how many. Must run alone, in a transaction."""
    require_transaction()
    known = set(RateTier.objects.values_list("name", flat=True))
    missing = [
        RateTier(name=name, calls_1m=tier.calls_1m, orders_10s=tier.orders_10s, orders_1d=tier.orders_1d)
        for name, tier in _SEEDED.items()
        if name not in known
    ]
    return len(RateTier.objects.bulk_create(missing))


def change_tier(
    *,
    tier_id: int,
    changes: Mapping[str, int],
    seen: Seen | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> RateTier:
    """Other limits for everybody in a tier.

    Raises Refusal: reason_required, not_found, row_changed, no_change, invalid_field.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        tier = RateTier.objects.select_for_update(no_key=True).filter(id=tier_id).first()
        if tier is None:
            raise Refusal(Code.NOT_FOUND, "No such tier.", tier=tier_id)
        before, after = apply_changes(tier, changes, TIER_FIELDS, seen=seen)
        tier.save(update_fields=list(after))
        record(
            actor=actor,
            action="accounts.rate_tier.change",
            target_type="accounts.ratetier",
            target_id=tier.pk,
            target_label=tier.name,
            reason=reason,
            before=before,
            after=after,
            now=now,
        )
    return tier


def put_in_tier(*, user_id: int, tier_id: int | None, actor: Actor, now: datetime, reason: str) -> User:
    """Give a person the limits of a tier, or None for the standard ones.

    Raises Refusal: reason_required, not_found, permission_denied, no_change.
    """
    reason = require_reason(reason)
    tier = RateTier.objects.filter(id=tier_id).first() if tier_id is not None else None
    if tier is None and tier_id is not None:
        raise Refusal(Code.NOT_FOUND, "No such tier.", tier=tier_id)
    with transaction.atomic():
        user = lock_user(user_id, actor)
        require_authority(actor, user)
        before = plain(user, ["rate_tier"])
        if user.rate_tier == tier:
            raise Refusal(Code.NO_CHANGE, f"{user} is in this tier already.")
        user.rate_tier = tier
        user.save(update_fields=["rate_tier"])
        record(
            actor=actor,
            action="accounts.user.rate_tier",
            target_type="accounts.user",
            target_id=user.pk,
            target_label=user.username,
            reason=reason,
            before=before,
            after=plain(user, ["rate_tier"]),
            now=now,
        )
    return user
