"""Price alerts on the feed: the owner hears each change once, others nothing."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from accounts.selectors import Reach
from orders.market.services.alerting import cancel_alert, place_alert
from orders.market.services.following import follow
from tests.factories import ACTOR, NOW, Market
from tests.feed.talk import do, subscribed, talk, token_for
from tests.market.alerts import alert_wanted

pytestmark = pytest.mark.django_db(transaction=True)


async def test_placed_fired_and_cancelled_alerts_are_told_to_their_owner(
    market: Market, alice: TradingAccount, bob: TradingAccount
) -> None:
    first = await do(lambda: place_alert(alert_wanted(market, alice, 50000), actor=ACTOR, now=NOW).alert)
    async with talk() as socket:
        await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(alice)))
        await subscribed(socket, channel="alerts", account=alice.pk)
        snapshot = await socket.hear("alert")
        assert (snapshot["action"], snapshot["account"]) == ("snapshot", alice.pk)
        assert [(row["id"], row["state"]) for row in snapshot["alerts"]] == [(str(first.pk), "active")]

        second = await do(lambda: place_alert(alert_wanted(market, alice, 60000), actor=ACTOR, now=NOW).alert)
        await do(lambda: place_alert(alert_wanted(market, bob, 50000), actor=ACTOR, now=NOW))
        placed = await socket.hear("alert")
        assert (placed["action"], sorted(placed)) == ("update", ["account", "action", "alerts", "type"])
        assert [(row["id"], row["state"]) for row in placed["alerts"]] == [(str(second.pk), "active")]

        await do(lambda: market.sell(bob, 1, 50001))
        await do(lambda: market.buy(alice, 1, 50001))
        await do(market.drain)
        await do(lambda: follow(now=NOW))
        (fired,) = (await socket.hear("alert"))["alerts"]
        assert (fired["id"], fired["state"], fired["fired_price"]) == (str(first.pk), "fired", "50001.00")

        await do(lambda: cancel_alert(Reach(alice.user_id), second.pk, actor=ACTOR, now=NOW))
        (cancelled,) = (await socket.hear("alert"))["alerts"]
        assert (cancelled["id"], cancelled["state"]) == (str(second.pk), "cancelled")

        await subscribed(socket, channel="alerts", account=alice.pk)
        again = await socket.hear("alert")
        assert [(row["id"], row["state"]) for row in again["alerts"]] == [(str(first.pk), "fired")]


async def test_another_persons_are_not_to_be_had(
    market: Market, alice: TradingAccount, bob: TradingAccount
) -> None:
    async with talk() as socket:
        await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(bob)))
        answer = await socket.ask("error", op="subscribe", channel="alerts", account=alice.pk)
        assert answer["code"] == "account_not_found"
