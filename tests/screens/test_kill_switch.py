"""The kill switch in the back office: stop after seeing what would end, then see where it took effect."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from orders.models import Shard
from risk.models import KillScope, KillSwitch
from tests.admin.registry import act, address
from tests.factories import make_market
from tests.orders.killing import effect_of, press
from tests.screens.conftest import Scene
from tests.screens.watching import Watch
from tests.tradeplatform.supervisor.waiting import wait_for

pytestmark = pytest.mark.live


@pytest.mark.parametrize("theme", ["dark"], indirect=True)
def test_pages_show_what_is_stopped_and_where(scene: Scene, page: Page, watch: Watch) -> None:
    market = make_market(shard=Shard.objects.get(id=1))
    pressed = press(KillScope.INSTRUMENT, market.symbol)
    switch = pressed.act.switch
    wait_for(lambda: effect_of(pressed, 1).position is not None, "the shard's worker to apply it")
    watch.visit(address(KillSwitch, "changelist"))
    watch.keep_both("kill-switches")
    watch.visit(address(KillSwitch, "new", "stop"))
    watch.keep_both("kill-stop")
    watch.visit(address(KillSwitch, "change", switch.pk))
    watch.keep_both("kill-switch")
    assert market.symbol in page.inner_text("#main")
    watch.visit(act(KillSwitch, switch.pk, "release"))
    watch.keep_both("kill-release")

    assert watch.problems == []
