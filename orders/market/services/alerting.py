"""Place and cancel price alerts. The follower fires them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import TradingAccount, User
from accounts.selectors import Reach
from audit.actor import Actor
from audit.services.reasons import require_reason
from audit.services.recording import record
from instruments.models import InstrumentStatus
from instruments.scaling import short_text
from instruments.selectors import require_rules
from orders.market.alert_selectors import alert_not_found, alerts_of
from orders.market.models import AlertDirection, AlertState, AlertWatch, PriceAlert
from orders.market.services.tapes import share_tape
from orders.market.services.telling import tell
from orders.models import Book
from risk.services.pretrade import check_range
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id

#: Active alerts of one person, over all accounts.
MOST_ACTIVE = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """An alert as its owner asks for it, under an id of the owner's."""

    account_id: int
    request_id: str
    symbol: str
    watches: AlertWatch
    direction: AlertDirection
    price: Decimal


@dataclass(frozen=True, slots=True)
class Placed:
    """The alert, and whether it was placed by an earlier call."""

    alert: PriceAlert
    repeated: bool


def place_alert(wanted: Wanted, *, actor: Actor, now: datetime) -> Placed:
    """Place an alert: it sees what is traded and quoted from now on, not what stands already.

    The same request again returns the alert as it is now. Raises Refusal: unknown_symbol, invalid_number,
    instrument_delisted, price_not_on_tick, price_out_of_range, request_id_conflict, too_many_active_alerts.
    """
    rules = require_rules(wanted.symbol)
    with transaction.atomic():
        account = TradingAccount.objects.get(pk=wanted.account_id)
        # Whoever places for this person waits here: requests are counted, and repeated, one by one.
        User.objects.select_for_update(no_key=True).get(pk=account.user_id)
        earlier = PriceAlert.objects.filter(account=account, request_id=wanted.request_id).first()
        if earlier is not None:
            return Placed(_same(earlier, wanted, rules.id), repeated=True)
        if rules.status == InstrumentStatus.DELISTED:
            raise Refusal(
                Code.INSTRUMENT_DELISTED, f"{rules.symbol} is not traded any more.", symbol=rules.symbol
            )
        check_range(rules, wanted.price, field="price")
        _check_count(account.user_id)
        share_tape(rules.id)
        seq = Book.objects.filter(pk=rules.id).values_list("seq", flat=True).first()
        alert = PriceAlert.objects.create(
            account=account,
            instrument_id=rules.id,
            request_id=wanted.request_id,
            watches=wanted.watches,
            direction=wanted.direction,
            price=wanted.price,
            after_seq=seq or 0,
            created_at=now,
        )
        _record("place", alert, actor=actor, now=now, after=_said(alert))
        _tell_later(alert)
    return Placed(alert, repeated=False)


def cancel_alert(reach: Reach, alert_id: int, *, actor: Actor, now: datetime) -> PriceAlert:
    """Cancel an own alert; a cancelled one stays cancelled. Raises alert_not_found, alert_not_active."""
    with transaction.atomic():
        alert = _locked(alerts_of(reach), alert_id)
        if alert.state == AlertState.CANCELLED:
            return alert
        return _cancel(alert, actor=actor, now=now)


def cancel_for(*, alert_id: int, actor: Actor, now: datetime, reason: str) -> PriceAlert:
    """Cancel somebody's alert. Raises alert_not_found, alert_not_active, reason_required."""
    reason = require_reason(reason)
    with transaction.atomic():
        return _cancel(_locked(PriceAlert.objects.all(), alert_id), actor=actor, now=now, reason=reason)


def _cancel(alert: PriceAlert, *, actor: Actor, now: datetime, reason: str = "") -> PriceAlert:
    if alert.state != AlertState.ACTIVE:
        raise Refusal(
            Code.ALERT_NOT_ACTIVE,
            f"The alert is {alert.state} already.",
            alert=str(alert.pk),
            state=alert.state,
        )
    alert.state, alert.cancelled_at = AlertState.CANCELLED, now
    alert.save(update_fields=["state", "cancelled_at"])
    _record(
        "cancel",
        alert,
        actor=actor,
        now=now,
        reason=reason,
        before={"state": AlertState.ACTIVE.value},
        after={"state": alert.state},
    )
    _tell_later(alert)
    return alert


def _said(alert: PriceAlert) -> dict[str, str]:
    """What an alert waits for."""
    return {
        "state": AlertState.ACTIVE.value,
        "watches": alert.watches,
        "direction": alert.direction,
        "price": short_text(alert.price),
    }


def _record(action: str, alert: PriceAlert, *, actor: Actor, now: datetime, **more: Any) -> None:
    record(
        actor=actor,
        action=f"market.alert.{action}",
        target_type="marketdata.pricealert",
        target_id=alert.pk,
        target_label=str(alert),
        now=now,
        **more,
    )


def _tell_later(alert: PriceAlert) -> None:
    """Let the owner's other sockets know, once it is true."""
    transaction.on_commit(lambda: tell([alert]) and None, robust=True)


def _locked(alerts: QuerySet[PriceAlert], alert_id: int) -> PriceAlert:
    locked = alerts.select_for_update(no_key=True, of=("self",))
    found = locked.filter(pk=alert_id).first() if is_id(alert_id) else None
    if found is None:
        raise alert_not_found(alert_id)
    return found


def _same(earlier: PriceAlert, wanted: Wanted, instrument_id: int) -> PriceAlert:
    """The earlier alert, if it is what is asked for now."""
    asked = (instrument_id, wanted.watches, wanted.direction, wanted.price)
    if (earlier.instrument_id, earlier.watches, earlier.direction, earlier.price) != asked:
        raise Refusal(
            Code.REQUEST_ID_CONFLICT,
            "This request id was used for another alert: choose a new one.",
            request_id=wanted.request_id,
        )
    return earlier


def _check_count(user_id: int) -> None:
    if alerts_of(Reach(user_id)).filter(state=AlertState.ACTIVE).count() >= MOST_ACTIVE:
        raise Refusal(
            Code.TOO_MANY_ACTIVE_ALERTS,
            f"A person has at most {MOST_ACTIVE} active alerts: cancel one.",
            maximum=MOST_ACTIVE,
        )
