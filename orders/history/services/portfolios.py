"""Make and change portfolios, and what is in one: positions, and P&L, added up."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from accounts.models import TradingAccount, User
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import Instrument
from orders.history.models import Portfolio
from orders.history.selectors import PositionAt, positions_at
from tradeplatform.common.changes import Seen, validate
from tradeplatform.common.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Total:
    """What the positions of a portfolio come to in one quote asset. Nothing is converted."""

    asset: str
    cost: Decimal
    realised: Decimal
    fees: Decimal


@dataclass(frozen=True, slots=True)
class Content:
    """A portfolio at a moment: the position in each instrument, by symbol, and their sums."""

    positions: list[tuple[Instrument, PositionAt]]
    totals: list[Total]


def content_of(portfolio: Portfolio, *, at: datetime | None) -> Content:
    """Positions after everything with time at or before `at` (None: now), and what they come to."""
    chosen = list(portfolio.instruments.values_list("id", flat=True))
    found = positions_at(
        instrument_ids=chosen or None,
        account_ids=list(portfolio.accounts.values_list("id", flat=True)),
        at=at,
    )
    instruments = Instrument.objects.select_related("base", "quote").filter(pk__in=found).order_by("symbol")
    positions = [(instrument, found[instrument.pk]) for instrument in instruments]
    return Content(positions, list(_totals(positions)))


def save_portfolio(
    *,
    portfolio_id: int | None,
    name: str,
    owner_id: int | None,
    account_ids: Collection[int],
    instrument_ids: Collection[int],
    seen: Seen | None = None,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Portfolio:
    """Make a portfolio (no id), or give one another name and content; its owner stays.

    Raises Refusal: reason_required, invalid_field, not_found, account_not_found, row_changed (it is not as it
    was `seen`, see `said_of`), no_change.
    """
    reason = require_reason(reason)
    if not account_ids:
        raise Refusal(Code.INVALID_FIELD, "A portfolio has at least one account.", field="accounts")
    with transaction.atomic():
        portfolio = _find(portfolio_id) if portfolio_id else Portfolio(owner_id=owner_id)
        _require_own(portfolio.owner_id, account_ids)
        before = said_of(portfolio) if portfolio.pk else {}
        if seen is not None and before != seen:
            raise Refusal(
                Code.ROW_CHANGED,
                "Somebody else has changed it meanwhile: nothing was saved. Open the form again.",
                fields={"seen": seen, "now": before},
            )
        portfolio.name = name.strip()
        validate(portfolio)
        try:
            portfolio.save()
        except IntegrityError as error:
            raise Refusal(Code.INVALID_FIELD, "Another portfolio has this name.", field="name") from error
        portfolio.accounts.set(account_ids)
        portfolio.instruments.set(instrument_ids)
        after = said_of(portfolio)
        if before == after:
            raise Refusal(Code.NO_CHANGE, "Nothing is different: there is nothing to save.")
        record(
            actor=actor,
            action=f"history.portfolio.{'change' if portfolio_id else 'add'}",
            target_type="history.portfolio",
            target_id=portfolio.pk,
            target_label=portfolio.name,
            reason=reason,
            before=before,
            after=after,
            now=now,
        )
    return portfolio


def _totals(positions: Iterable[tuple[Instrument, PositionAt]]) -> Iterable[Total]:
    by_asset: dict[str, list[PositionAt]] = {}
    for instrument, position in positions:
        by_asset.setdefault(instrument.quote.code, []).append(position)
    for code, found in sorted(by_asset.items()):
        standings = [position.standing for position in found]
        yield Total(
            code,
            sum((each.cost for each in standings), Decimal(0)),
            sum((each.realised for each in standings), Decimal(0)),
            sum((each.fees for each in standings), Decimal(0)),
        )


def _find(portfolio_id: int) -> Portfolio:
    found = Portfolio.objects.select_for_update(no_key=True).filter(pk=portfolio_id).first()
    if found is None:
        raise Refusal(Code.NOT_FOUND, "No such portfolio.", portfolio=portfolio_id)
    return found


def _require_own(owner_id: int | None, account_ids: Collection[int]) -> None:
    """Somebody's portfolio holds no account of another; for its owner those are not there."""
    if owner_id is not None and not User.objects.filter(pk=owner_id).exists():
        raise Refusal(Code.NOT_FOUND, "No such user.", field="owner")
    accounts = TradingAccount.objects.filter(pk__in=account_ids)
    own = accounts if owner_id is None else accounts.filter(user_id=owner_id)
    if own.count() != len(set(account_ids)):
        raise Refusal(Code.ACCOUNT_NOT_FOUND, "An account is not the owner's.", field="accounts")


def said_of(portfolio: Portfolio) -> dict[str, object]:
    """Name and content, as records and forms hold them."""
    return {
        "name": portfolio.name,
        "owner": portfolio.owner_id,
        "accounts": sorted(portfolio.accounts.values_list("account_number", flat=True)),
        "instruments": sorted(portfolio.instruments.values_list("symbol", flat=True)),
    }
