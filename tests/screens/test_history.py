"""Positions over time in a real browser: the charts of a position, portfolios, what was told and frozen."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.history.models import (
    Correction,
    ExternalTrade,
    FrozenPeriod,
    LivePosition,
    Portfolio,
    RefusedTrade,
)
from tests.admin.registry import address
from tests.factories import Market
from tests.history.telling import lived_history, make_portfolio, tell, told
from tests.screens.conftest import Scene
from tests.screens.watching import Watch
from tests.tradeplatform.supervisor.waiting import wait_for

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def charted(scene: Scene) -> LivePosition:
    """A position of fills, brought by the platform's own worker, and of forty trades told in no order."""
    bitcoin = Instrument.objects.get(symbol="BTCUSDT")
    wait_for(
        lambda: LivePosition.objects.filter(account=scene.taker, instrument=bitcoin).exists(),
        "the worker to follow the fills",
    )
    now, chance = timezone.now(), random.Random(5)
    sizes = [chance.choice([-3, -1, 1, 2]) for _ in range(40)]
    trades = [
        told(scene.taker, bitcoin, now - timedelta(minutes=number), size, price=50000)
        for number, size in enumerate(sizes, start=1)
    ]
    chance.shuffle(trades)
    tell(*trades, now=now)
    other = lived_history(Market(bitcoin, None))  # type: ignore[arg-type]
    make_portfolio(scene.taker, scene.maker, other)
    return LivePosition.objects.get(account=scene.taker, instrument=bitcoin)


@pytest.mark.parametrize("theme", ["dark"], indirect=True)
def test_every_page_opens_without_a_complaint(scene: Scene, charted: LivePosition, watch: Watch) -> None:
    newest = [Portfolio, ExternalTrade, FrozenPeriod, Correction, RefusedTrade]
    pages = [(LivePosition, charted.pk), (TradingAccount, scene.taker.pk)]
    pages += [(model, model._default_manager.order_by("-pk")[0].pk) for model in newest]
    for model, key in pages:
        watch.visit(address(model, "change", key))
        watch.keep_both(f"history-{model._meta.model_name}")
        watch.visit(address(model, "changelist"))
        watch.keep_both(f"history-{model._meta.model_name}-list")
    watch.visit(address(FrozenPeriod, "new", "freeze"))
    watch.keep_both("history-freeze")

    assert watch.problems == []
