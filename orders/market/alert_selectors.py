"""Reading price alerts. Another person's are simply not there."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from accounts.selectors import Reach
from orders.market.models import AlertState, PriceAlert
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id


def alerts_of(reach: Reach) -> QuerySet[PriceAlert]:
    """The alerts of all accounts within reach."""
    own = PriceAlert.objects.filter(account__user_id=reach.user_id)
    return own if reach.account_id is None else own.filter(account_id=reach.account_id)


def alerts_of_accounts(
    account_ids: Iterable[int], *, instrument_id: int | None, state: AlertState | None
) -> list[QuerySet[PriceAlert]]:
    """Alerts of these accounts, one queryset for each, filtered; to be merged by `newest_first`."""
    wanted = PriceAlert.objects.all()
    if instrument_id is not None:
        wanted = wanted.filter(instrument_id=instrument_id)
    if state is not None:
        wanted = wanted.filter(state=state)
    return [wanted.filter(account_id=account_id) for account_id in account_ids]


def require_alert(reach: Reach, alert_id: int) -> PriceAlert:
    """A caller's alert. Raises alert_not_found."""
    found = alerts_of(reach).filter(pk=alert_id).first() if is_id(alert_id) else None
    if found is None:
        raise alert_not_found(alert_id)
    return found


def alert_not_found(alert_id: int) -> Refusal:
    """The refusal of an alert that is not there, or somebody else's."""
    return Refusal(Code.ALERT_NOT_FOUND, "No such alert.", alert=str(alert_id))
