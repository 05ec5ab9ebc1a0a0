"""How much a person may withdraw: by the level of their identity check, in a day and in a month.

Limits are changed by two persons, and so are people's levels: limit_requests.py, identity.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import KycLimit, KycStatus, User
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import agreed, record
from instruments.models import Asset
from instruments.scaling import short_text
from instruments.services.converting import Purpose, convert
from tradeplatform.common.changes import Seen, apply_changes
from tradeplatform.common.db import fetch, require_transaction
from tradeplatform.common.errors import Code, Refusal

#: What limits are in.
CURRENCY = "USD"
LIMIT_FIELDS = ("daily", "monthly")
_DAY, _MONTH = timedelta(hours=24), timedelta(days=30)
_DEFAULTS = {0: (0, 0), 1: (2_000, 10_000), 2: (50_000, 250_000), 3: (1_000_000, 10_000_000)}

# Asked for and not refused: what waits counts as much as what was paid.
_USED = """
    SELECT coalesce(sum(m.worth) FILTER (WHERE m.at > %(day)s), 0), coalesce(sum(m.worth), 0)
    FROM accounts_tradingaccount a
    JOIN accounts_moneyrequest m ON m.account_id = a.id AND m.kind = 'withdrawal' AND m.at > %(month)s
        AND m.state IN ('requested', 'done') AND m.id <> %(except)s
    WHERE a.user_id = %(user)s
"""


def worth_of(amount: Decimal, asset: str, *, now: datetime) -> Decimal:
    """An amount in the limits' currency, at mid. Raises Refusal no_rate."""
    if asset == CURRENCY:
        return amount
    if not Asset.objects.filter(code=CURRENCY).exists():
        raise Refusal(Code.NO_RATE, f"There is no {CURRENCY} to value it in.", source=asset, target=CURRENCY)
    return convert(amount, asset, CURRENCY, purpose=Purpose.LIMIT, now=now).amount


def used_by(user_id: int, *, now: datetime, besides: int = 0) -> tuple[Decimal, Decimal]:
    """What a person's withdrawals of the last 24 hours and 30 days count, but for the request `besides`."""
    values = {"user": user_id, "day": now - _DAY, "month": now - _MONTH, "except": besides}
    ((day, month),) = fetch(_USED, values)
    return day, month


def level_of(user: User) -> int:
    """The level that counts: an identity check that is not approved is none."""
    return user.kyc_level if user.kyc_status == KycStatus.APPROVED else 0


@dataclass(frozen=True, slots=True)
class Use:
    """What a person of a level has withdrawn in a period, and may; both in CURRENCY."""

    level: int
    period: str
    limit: Decimal
    spent: Decimal

    def require(self, worth: Decimal) -> None:
        """Refuse with kyc_limit_exceeded what is more than is left."""
        if self.spent + worth > self.limit:
            raise Refusal(
                Code.KYC_LIMIT_EXCEEDED,
                f"Level {self.level} may withdraw {short_text(self.limit)} {CURRENCY} in {self.period}: "
                f"{short_text(max(self.limit - self.spent, Decimal(0)))} is left.",
                level=self.level,
                period=self.period,
                currency=CURRENCY,
                limit=short_text(self.limit),
                used=short_text(self.spent),
                required=short_text(worth),
            )


def uses_of(user: User, *, now: datetime, besides: int = 0) -> list[Use]:
    """The person's limits in a day and a month, and what withdrawals but for the request `besides` took."""
    level = level_of(user)
    used = used_by(user.pk, now=now, besides=besides)
    periods = zip(("24 hours", "30 days"), limits_of(level), used, strict=True)
    return [Use(level, period, limit, spent) for period, limit, spent in periods]


def limits_of(level: int) -> tuple[Decimal, Decimal]:
    """The limits of a level in a day and a month; nothing where none were set."""
    row = KycLimit.objects.filter(level=level).first()
    return (row.daily, row.monthly) if row else (Decimal(0), Decimal(0))


def require_within(user: User, worth: Decimal, *, now: datetime, besides: int = 0) -> None:
    """Refuse with kyc_limit_exceeded what is more than the person's limits leave.

    Call it with the person's row locked, so that two withdrawals, of whichever accounts, see each other.
    """
    require_transaction()
    for use in uses_of(user, now=now, besides=besides):
        use.require(worth)


def change_limit(
    *,
    level: int,
    changes: Mapping[str, Any],
    seen: Seen | None = None,
    approval_id: int | None = None,
    actor: Actor,
    now: datetime,
    reason: str,
) -> KycLimit:
    """Change a level's limits, under the approval of another person where a person asked.

    Raises Refusal: reason_required, not_found, row_changed, no_change, invalid_field.
    """
    reason = require_reason(reason)
    with transaction.atomic():
        limit = find_limit(level, KycLimit.objects.select_for_update(no_key=True))
        before, after = apply_changes(limit, changes, LIMIT_FIELDS, seen=seen)
        limit.save(update_fields=list(after))
        record(
            actor=actor,
            action="accounts.limit.change",
            target_type="accounts.kyclimit",
            target_id=level,
            target_label=str(limit),
            reason=reason,
            before=before,
            after=after | agreed(approval_id),
            now=now,
        )
    return limit


def find_limit(level: int, rows: QuerySet[KycLimit] | None = None) -> KycLimit:
    """The limits of a level. Raises Refusal not_found."""
    limit = (KycLimit.objects.all() if rows is None else rows).filter(level=level).first()
    if limit is None:
        raise Refusal(Code.NOT_FOUND, "No such level.", level=level)
    return limit


def seed_limits() -> int:
    """Add the limits of the levels that have none; returns how many. Must run alone, in a transaction."""
    require_transaction()
    known = set(KycLimit.objects.values_list("level", flat=True))
    return len(
        KycLimit.objects.bulk_create(
            KycLimit(level=level, daily=Decimal(daily), monthly=Decimal(monthly))
            for level, (daily, monthly) in _DEFAULTS.items()
            if level not in known
        )
    )
