"""Tell the owners of fired alerts, on their accounts' private feed.

An alert counts as told once it has been given to Valkey. If that fails, or whoever told dies before noting
it, it is told again: an alert fires once and may be heard twice, its id tells.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import orjson
import structlog
from redis.exceptions import RedisError

from instruments.selectors import rules_by_id
from orders.market.models import AlertState, PriceAlert
from orders.market.rendering import alert_json
from tradeplatform.common.valkey import account_channel, client

logger = structlog.get_logger(__name__)

_MOST = 1_000


def tell_fired(*, now: datetime) -> int:
    """Publish the fired alerts nobody was told of; returns how many."""
    untold = list(
        PriceAlert.objects.filter(state=AlertState.FIRED, told_at__isnull=True).order_by("id")[:_MOST]
    )
    if untold and tell(untold):
        return PriceAlert.objects.filter(pk__in=[alert.pk for alert in untold]).update(told_at=now)
    return 0


def tell(alerts: list[PriceAlert]) -> bool:
    """Publish alerts as they are now, a frame for each account; False if they may not have been heard."""
    rules = rules_by_id(alert.instrument_id for alert in alerts)
    frames = defaultdict(list)
    for alert in alerts:
        frames[alert.account_id].append(alert_json(alert, rules[alert.instrument_id]))
    try:
        pipe = client().pipeline(transaction=False)
        for account_id, shown in frames.items():
            body = {"type": "alerts", "account": account_id, "alerts": shown}
            pipe.publish(account_channel(account_id), orjson.dumps(body))
        pipe.execute()
    except (RedisError, OSError) as error:
        logger.warning("feed_lost", frames=len(frames), error=str(error))
        return False
    return True
