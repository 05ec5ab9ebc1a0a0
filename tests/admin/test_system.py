"""The system page: who may open it, what it shows, and where each figure leads."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ProofRun, Role
from orders.models import Shard, ShardStatus
from tests.admin.conftest import SignIn
from tests.factories import Market, make_market
from tradeplatform.system.models import Minute

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    market = make_market()
    market.buy(market.trader(), 1, 49000)
    market.drain()
    return market


def test_each_shard_is_shown_with_its_leader_and_its_books_hash(boss: Client, market: Market) -> None:
    page = boss.get(reverse("admin:system")).content.decode()

    assert Shard.objects.get(pk=market.shard.id).owner in page
    assert market.book().state_hash in page


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.ADMIN])
def test_staff_see_what_their_role_lets_them_look_at(sign_in: SignIn, market: Market, role: Role) -> None:
    answer = sign_in(role).get(reverse("admin:system"))

    labels = [tile["label"] for tile in answer.context["tiles"]]
    assert ("Days of partitions ahead" in labels) is (role == Role.ADMIN)
    assert "Invariants broken" in labels


def test_a_stopped_shard_that_is_behind_is_called_stopped(boss: Client, market: Market) -> None:
    market.buy(market.trader(), 1, 49000)  # accepted on a day long ago, and waits

    def page() -> str:
        return boss.get(reverse("admin:system")).content.decode()

    assert "Takes cancels only: behind" in page()
    Shard.objects.filter(pk=market.shard.id).update(status=ShardStatus.STOPPED, stop_reason="hash differs")
    assert "Takes cancels only: behind" not in page()


def test_what_is_wrong_stands_out_and_leads_on(boss: Client, market: Market) -> None:
    Shard.objects.filter(pk=market.shard.id).update(status=ShardStatus.STOPPED, stop_reason="hash differs")
    now = timezone.now()
    ProofRun.objects.create(
        at=now, seconds=1, holds=False, actor_label="test", findings=[{"holds": False}], balances=[]
    )
    for minutes, below in ((2, 0), (1, 10)):
        outcomes = {"0.5": 0, "1.0": below, "+Inf": below}
        sums = {"accepted": below, "outcomes": outcomes, "lag": 1, "overloaded": below * 2}
        Minute.objects.create(at=now - timedelta(minutes=minutes), sums=sums)

    answer = boss.get(reverse("admin:system"))

    wrong = {tile["label"]: tile for tile in answer.context["tiles"] if tile["tone"] == "bad"}
    assert {"Shards stopped", "Invariants broken", "p95 until the outcome"} <= set(wrong)
    assert wrong["Shards stopped"]["url"] == f"/admin/orders/shard/{market.shard.id}/change/"
    assert wrong["Shards stopped"]["note"] == "hash differs"
    assert wrong["Invariants broken"]["url"] == reverse("admin:proof")
    assert wrong["p95 until the outcome"]["value"] == "975 ms"
    assert wrong["Refused for overload"]["value"] == "20"


def test_a_shard_that_is_behind_is_shown_as_one_that_takes_cancels_only(boss: Client, market: Market) -> None:
    assert "Takes cancels only" not in boss.get(reverse("admin:system")).content.decode()
    # It waits since the time of the factories.
    market.buy(market.trader(), 1, 49000)

    assert "Takes cancels only: behind" in boss.get(reverse("admin:system")).content.decode()


def test_the_charts_get_the_last_hour_in_columns(boss: Client) -> None:
    now = timezone.now()
    for minutes, accepted in ((90, 0), (61.5, 100), (3, 600), (2, 1_200)):
        Minute.objects.create(at=now - timedelta(minutes=minutes), sums={"accepted": accepted, "lag": 0.5})

    found = boss.get(reverse("admin:system-minutes")).json()

    assert found["accepted"] == [10]
    assert found["lag_seconds"] == [0.5]
    assert found["p95_ms"] == [None]
    assert len(found["at"]) == 1


def test_before_anything_happened_it_opens_too(boss: Client) -> None:
    assert boss.get(reverse("admin:system")).status_code == 200
    assert boss.get(reverse("admin:system-minutes")).json()["at"] == []


@pytest.mark.parametrize("name", ["system", "system-minutes"])
def test_without_the_right_it_is_refused(client: Client, name: str) -> None:
    assert client.get(reverse(f"admin:{name}")).status_code == 302
