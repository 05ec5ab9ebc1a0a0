"""A deal that had asked the kill switch before it was pressed: written behind the press, and waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Deal
from orders.services.kill_switch import bring_into_effect
from risk.models import KillStage
from tests.liquidity.floor import Floor
from tests.orders.killing import press, stage_of, step
from tests.threads import PATIENCE, start_elsewhere
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Lets those who wait go on; at the end too."""
    event = threading.Event()
    yield event
    event.set()


def test_a_deal_that_had_asked_holds_the_release_back_until_it_is_written(
    floor: Floor, go: threading.Event
) -> None:
    account = floor.account()
    asked = threading.Event()

    def deal() -> None:
        with transaction.atomic():
            floor.buy(account, "0.1")
            asked.set()
            assert go.wait(PATIENCE)

    dealer = start_elsewhere(deal)
    assert asked.wait(PATIENCE)
    pressed = press()
    bring_into_effect(pressed.act, clock=timezone.now, grace=0)

    with pytest.raises(Refusal) as caught:
        step(pressed.act.switch)

    assert (caught.value.code, caught.value.context) == (
        Code.KILL_NOT_IN_EFFECT,
        {"shards": [], "sending": 1},
    )
    assert (stage_of(pressed), Deal.objects.count()) == (KillStage.STOPPED, 0)
    go.set()
    dealer.result(PATIENCE)
    step(pressed.act.switch)
    assert (stage_of(pressed), Deal.objects.count()) == (KillStage.LIMIT_ONLY, 1)
