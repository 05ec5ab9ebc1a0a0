"""Start a stopped shard: allowed, forbidden, with a reason, recorded, once."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role
from orders.models import Shard, ShardStatus
from orders.services.drain import ShardStopped, drain_all
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import NOW, stored

REASON = "compared with the journal"


@pytest.fixture
def stopped(lived: Lived) -> Lived:
    """The market's shard, stopped with a reason, with one order waiting for it."""
    Shard.objects.filter(pk=lived.market.shard.pk).update(
        status=ShardStatus.STOPPED, stop_reason="state differs"
    )
    lived.market.buy(lived.buyer, 1, 47000)
    return lived


def of(lived: Lived) -> Shard:
    return Shard.objects.get(pk=lived.market.shard.pk)


def test_works_again_and_is_recorded(sign_in: SignIn, stopped: Lived) -> None:
    client, shard = sign_in(Role.ADMIN), stopped.market.shard
    with pytest.raises(ShardStopped):
        drain_all(shard_id=shard.pk, clock=lambda: NOW)

    answer = press(client, act(Shard, shard.pk, "start"), reason=REASON)

    assert answer.status_code == 302
    assert (of(stopped).status, of(stopped).stop_reason) == ("running", "")
    assert stopped.market.drain().commands == 1
    (record,) = recorded("orders.shard.start")
    assert record.before == {"status": "stopped", "stop_reason": "state differs"}
    assert (record.after["status"], record.reason) == ("running", REASON)
    assert record.actor_id == client.user.id  # type: ignore[attr-defined]


def test_page_says_why_it_stopped_and_what_waits(boss: Client, stopped: Lived) -> None:
    page = boss.get(address(Shard, "change", stopped.market.shard.pk))
    asked = boss.get(act(Shard, stopped.market.shard.pk, "start"))

    assert "state differs" in str(page.context["warning"])
    assert [(e.label, e.before) for e in asked.context["effects"][1:2]] == [("Waiting commands", "1")]


@pytest.mark.parametrize("page", ["admin:index", "admin:system", "admin:orders_book_changelist"])
def test_its_books_do_not_say_that_they_match(boss: Client, stopped: Lived, page: str) -> None:
    while_stopped = boss.get(reverse(page)).content.decode()
    assert (while_stopped.count("Shard stopped<"), while_stopped.count("Matching")) == (1, 0)

    Shard.objects.update(status=ShardStatus.RUNNING)

    while_running = boss.get(reverse(page)).content.decode()
    assert (while_running.count("Shard stopped<"), while_running.count("Matching")) == (0, 1)


def test_pressed_twice_starts_once(boss: Client, stopped: Lived) -> None:
    button = act(Shard, stopped.market.shard.pk, "start")
    data = filled(boss, button, reason=REASON)

    boss.post(button, data)
    second = boss.post(button, data)

    assert "is running already." in said(second)
    assert len(recorded("orders.shard.start")) == 1


def test_wants_a_reason(boss: Client, stopped: Lived) -> None:
    answer = press(boss, act(Shard, stopped.market.shard.pk, "start"), reason="")

    assert errors(answer) == {"reason": ["This field is required."]}
    assert of(stopped).status == "stopped"


def test_is_forbidden_without_the_right(sign_in: SignIn, stopped: Lived) -> None:
    for role in (Role.SUPPORT, Role.RISK_MANAGER, Role.COMPLIANCE_OFFICER):
        answer = sign_in(role).post(
            act(Shard, stopped.market.shard.pk, "start"), {"reason": REASON, "request_id": "x"}
        )
        assert answer.status_code == 403

    assert of(stopped).status == "stopped"
    assert stored(stopped.resting).status == "open"
