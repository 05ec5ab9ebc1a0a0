"""Deals of leveraged positions are part of the store: each once, whoever commits late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from accounts.models import Deal
from orders.history.models import Correction, DealsFollowed, LivePosition, Origin
from orders.history.services.following import follow, follow_deals
from orders.history.services.freezing import freeze
from orders.history.services.regenerating import Regenerated, regenerate
from tests.factories import ACTOR, short
from tests.feed.talk import eventually
from tests.history.telling import asked, points, tell_each, told
from tests.liquidity.floor import SECOND, Floor, make_floor
from tests.threads import elsewhere

pytestmark = pytest.mark.django_db
Broken = Callable[[], list[str]]


@pytest.fixture
def floor(db: None) -> Floor:
    """EURUSD at 1.1000/1.1002, contracts of 100,000."""
    return make_floor()


def test_open_and_close_are_executions_in_units_of_base(floor: Floor, broken: Broken) -> None:
    account = floor.account()
    euro = floor.instruments["EURUSD"]
    floor.buy(account, "0.10")
    floor.now += SECOND
    floor.sell(account, "0.04")

    assert follow(now=floor.now) == 2
    assert follow(now=floor.now) == 0

    assert [position for _at, position in points(account, euro)] == ["10000", "6000"]
    live = LivePosition.objects.get(account=account)
    assert (short(live.average_price or live.cost), short(live.realised)) == ("1.1002", "-0.8")
    assert regenerate(instrument_id=euro.pk, account_id=None, now=floor.now) == Regenerated(2, 0, 0)
    assert broken() == []


def test_a_flip_and_a_late_external_trade_make_one_history(floor: Floor, broken: Broken) -> None:
    account = floor.account(hedging=True)
    euro = floor.instruments["EURUSD"]
    floor.buy(account, "0.10")
    floor.sell(account, "0.10")
    follow(now=floor.now)
    tell_each([told(account, euro, floor.now - timedelta(hours=1), 500, price="1.09")])

    assert points(account, euro)[0][1] == "500"
    assert asked(account, euro) == "500"
    assert regenerate(instrument_id=euro.pk, account_id=None, now=floor.now) == Regenerated(3, 0, 0)
    assert broken() == []


def test_a_deal_of_a_frozen_period_is_a_correction(floor: Floor, broken: Broken) -> None:
    account = floor.account()
    euro = floor.instruments["EURUSD"]
    until = floor.now + SECOND
    ask = {"instrument_id": euro.pk, "until": until, "reason": "reported", "actor": ACTOR}
    freeze(now=until, **ask)  # type: ignore[arg-type]

    floor.buy(account, "0.10")
    follow(now=until)

    assert points(account, euro) == [(until, "10000")]
    assert Correction.objects.get().origin == Origin.DEAL
    assert regenerate(instrument_id=euro.pk, account_id=None, now=until) == Regenerated(1, 0, 0)
    assert follow(now=until) == 0
    assert broken() == []


@pytest.mark.django_db(transaction=True)
def test_a_deal_that_commits_after_a_later_one_is_not_passed_over() -> None:
    floor = make_floor()
    # Of different currencies, so that neither waits for a ledger account of the other.
    slow, quick = floor.account(), floor.account(currency="EUR")
    euro = floor.instruments["EURUSD"]
    follow_deals(now=floor.now)

    with transaction.atomic():
        (first,) = floor.buy(slow, "0.10")
        (second,) = elsewhere(lambda: floor.buy(quick, "0.20"))
        assert first.pk < second.pk
        for _ in range(3):
            elsewhere(lambda: follow_deals(now=floor.now))
        assert elsewhere(lambda: asked(quick, euro)) == "20000"
        assert elsewhere(lambda: DealsFollowed.objects.get().settled) < first.pk

    assert follow_deals(now=floor.now) == 1
    assert (asked(slow, euro), asked(quick, euro)) == ("10000", "20000")
    taken: list[int] = []

    def settled() -> bool:
        taken.append(follow_deals(now=floor.now))
        return DealsFollowed.objects.get().settled >= second.pk

    # Any transaction of the server holds it back, those of tests that run beside this one too: they end.
    eventually(settled)
    assert sum(taken) == 0
    assert regenerate(instrument_id=euro.pk, account_id=None, now=floor.now) == Regenerated(2, 0, 0)
    assert Deal.objects.count() == 2
