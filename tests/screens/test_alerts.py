"""Price alerts in the back office, fired by the platform's own follower; indicators over its candles."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from instruments.models import Instrument
from orders.market.models import AlertDirection, PriceAlert
from orders.market.services.alerting import place_alert
from orders.models import Side
from tests.admin.registry import act, address
from tests.factories import ACTOR, Market
from tests.market.alerts import alert_wanted
from tests.screens.conftest import Scene, _order, _send
from tests.screens.watching import Watch
from tests.tradeplatform.supervisor.waiting import wait_for

pytestmark = pytest.mark.live

BITCOIN = "/admin/market/BTCUSDT/"


@pytest.fixture(scope="module")
def alerts(scene: Scene) -> tuple[PriceAlert, PriceAlert]:
    """One that a trade has fired, and one that waits."""
    market = Market(Instrument.objects.get(symbol="BTCUSDT"), None)  # type: ignore[arg-type]
    now = timezone.now()
    fired = place_alert(
        alert_wanted(market, scene.taker, 90000, direction=AlertDirection.BELOW), actor=ACTOR, now=now
    ).alert
    waits = place_alert(alert_wanted(market, scene.taker, 90000), actor=ACTOR, now=now).alert
    _send([_order(scene.maker, Side.SELL, 50500, Decimal("0.01"))])
    _send([_order(scene.taker, Side.BUY, 50500, Decimal("0.01"))])
    wait_for(lambda: PriceAlert.objects.get(pk=fired.pk).told_at is not None, "the worker to fire the alert")
    return fired, waits


def test_ac_44_pages_show_what_fired_and_what_waits(
    alerts: tuple[PriceAlert, PriceAlert], page: Page, watch: Watch, theme: str
) -> None:
    fired, waits = alerts
    watch.visit(address(PriceAlert, "changelist"))
    watch.keep(f"{theme}-alerts")
    watch.visit(address(PriceAlert, "change", fired.pk))
    watch.keep(f"{theme}-alert-fired")
    assert "Fired" in page.inner_text("#main")
    watch.visit(act(PriceAlert, waits.pk, "cancel"))
    watch.keep(f"{theme}-alert-cancel")

    assert watch.problems == []


@pytest.mark.parametrize("indicator", ["bollinger", "macd"])
def test_indicators_are_drawn_over_and_below_the_candles(
    alerts: tuple[PriceAlert, PriceAlert], page: Page, watch: Watch, theme: str, indicator: str
) -> None:
    watch.visit(BITCOIN)
    page.wait_for_selector("[data-market=link]:has-text('Connected')")
    with page.expect_response(lambda answer: "candles?interval=1s" in answer.url):
        page.click("[data-interval='1s']")
    with page.expect_response(lambda answer: f"indicator={indicator}" in answer.url) as answered:
        page.select_option("[data-market=indicator]", indicator)

    assert answered.value.status == 200
    lines = answered.value.json()["lines"]
    assert len(lines) == 3
    page.wait_for_timeout(300)
    watch.keep(f"{theme}-market-{indicator}")
    assert watch.problems == []
