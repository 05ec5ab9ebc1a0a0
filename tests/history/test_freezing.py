"""A frozen past: late trades become corrections at its end, and what was there stays, to the point."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from audit.models import AuditRecord
from instruments.models import Instrument
from orders.history.models import Correction, FrozenPeriod, Origin, PositionPoint
from orders.history.services.following import follow_books
from orders.history.services.freezing import freeze
from orders.history.services.regenerating import Regenerated, regenerate
from tests.factories import ACTOR, NOW, make_account, make_instrument, make_market
from tests.history.telling import LATER, asked, make_position, points, second, tell_each, told
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db
Broken = Callable[[], list[str]]


def frozen(instrument: Instrument | None, until: float) -> FrozenPeriod:
    return freeze(
        instrument_id=None if instrument is None else instrument.pk,
        until=second(until),
        reason="the month is reported",
        actor=ACTOR,
        now=LATER,
    )


def test_a_late_trade_of_the_period_is_booked_at_its_end_and_names_its_time(broken: Broken) -> None:
    account, instrument = make_position()
    tell_each([told(account, instrument, 10, 1), told(account, instrument, 30, 1)])
    period = frozen(instrument, 20)

    tell_each([told(account, instrument, 15, 5)])

    assert points(account, instrument) == [(second(10), "1"), (second(20), "6"), (second(30), "7")]
    assert (asked(account, instrument, 19.999999), asked(account, instrument, 20)) == ("1", "6")
    point = PositionPoint.objects.get(at=second(20))
    correction = Correction.objects.get()
    assert point.true_at == correction.true_at == second(15)
    assert (correction.origin, correction.booked_at, correction.at) == (Origin.EXTERNAL, second(20), LATER)
    assert period.points == 1
    assert regenerate(instrument_id=instrument.pk, account_id=None, now=LATER) == Regenerated(3, 0, 0)
    assert broken() == []


def test_the_end_itself_is_not_frozen() -> None:
    account, instrument = make_position()
    frozen(instrument, 20)

    tell_each([told(account, instrument, 20, 5), told(account, instrument, 19.999999, 1)])

    assert Correction.objects.get().true_at == second(19.999999)
    assert [position for _at, position in points(account, instrument)] == ["5", "6"]


def test_a_period_of_all_covers_instruments_to_come() -> None:
    account, first = make_position()
    frozen(None, 20)
    later = make_instrument(quote=first.quote)

    tell_each([told(account, first, 5, 1), told(account, later, 6, 1)])

    assert points(account, first) == points(account, later) == [(second(20), "1")]


def test_the_latest_end_counts_and_corrections_freeze_in_their_turn(broken: Broken) -> None:
    account, instrument = make_position()
    frozen(instrument, 20)
    tell_each([told(account, instrument, 5, 1)])
    frozen(None, 40)
    tell_each([told(account, instrument, 6, 1), told(account, instrument, 30, 1)])

    assert points(account, instrument) == [(second(20), "1"), (second(40), "2"), (second(40), "3")]
    assert broken() == []


def test_it_does_not_thaw() -> None:
    _account, instrument = make_position()
    frozen(instrument, 20)

    for until in (20, 19):
        with pytest.raises(Refusal) as caught:
            frozen(instrument, until)
        assert (caught.value.code, caught.value.status) == (Code.ALREADY_FROZEN, 409)
    assert FrozenPeriod.objects.count() == 1


def test_only_the_past_is_frozen_and_only_with_a_reason() -> None:
    _account, instrument = make_position()
    ask = {"instrument_id": instrument.pk, "actor": ACTOR, "now": LATER}

    with pytest.raises(Refusal, match="future"):
        freeze(until=LATER + timedelta(microseconds=1), reason="x", **ask)  # type: ignore[arg-type]
    with pytest.raises(Refusal) as caught:
        freeze(until=LATER, reason=" ", **ask)  # type: ignore[arg-type]
    assert caught.value.code == Code.REASON_REQUIRED
    assert not FrozenPeriod.objects.exists()


def test_a_preview_freezes_nothing() -> None:
    account, instrument = make_position()
    tell_each([told(account, instrument, 10, 1)])

    period = freeze(
        instrument_id=instrument.pk, until=second(20), reason="x", actor=ACTOR, now=LATER, dry_run=True
    )

    assert period.points == 1
    assert not FrozenPeriod.objects.exists()
    assert not AuditRecord.objects.filter(action="history.period.freeze").exists()


def test_it_is_recorded_with_who_and_why() -> None:
    _account, instrument = make_position()
    frozen(instrument, 20)

    record = AuditRecord.objects.get(action="history.period.freeze")
    assert (record.reason, record.target_label) == ("the month is reported", instrument.symbol)
    assert record.after == {"until": "1970-01-01T00:00:20.000000Z", "points": 0}


class TestBooks:
    def test_what_was_traded_until_then_is_in_the_period(self, broken: Broken) -> None:
        market = make_market()
        market.sell(market.trader(), 1, 50000)
        market.buy(market.trader(), 1, 50000)
        market.drain()

        later = NOW + timedelta(seconds=1)
        ask = {"instrument_id": market.instrument.pk, "until": later, "reason": "x", "actor": ACTOR}
        period = freeze(now=later, **ask)  # type: ignore[arg-type]

        assert period.points == 2
        follow_books(now=later)
        assert not Correction.objects.exists()
        assert broken() == []

    def test_a_book_with_orders_of_that_time_to_match_must_match_them_first(self) -> None:
        market = make_market()
        market.sell(market.trader(), 1, 50000)
        ask = {"instrument_id": market.instrument.pk, "until": NOW + timedelta(seconds=1), "reason": "x"}

        with pytest.raises(Refusal, match="still has orders of that time") as caught:
            freeze(actor=ACTOR, now=NOW + timedelta(seconds=1), **ask)  # type: ignore[arg-type]

        assert caught.value.code == Code.UNAVAILABLE

    def test_a_fill_that_came_too_late_is_a_correction_too(self, broken: Broken) -> None:
        market = make_market()
        seller, buyer = market.trader(), market.trader()
        later = NOW + timedelta(seconds=1)
        ask = {"instrument_id": market.instrument.pk, "until": later, "reason": "x", "actor": ACTOR}
        freeze(now=later, **ask)  # type: ignore[arg-type]

        # Accepted before the end, and committed only after it was frozen.
        market.sell(seller, 1, 50000)
        market.buy(buyer, 1, 50000)
        market.drain()
        follow_books(now=later)

        assert points(buyer, market.instrument) == [(later, "1")]
        assert set(Correction.objects.values_list("origin", "true_at")) == {(Origin.FILL, NOW)}
        assert regenerate(instrument_id=market.instrument.pk, account_id=None, now=later).removed == 0
        assert broken() == []


def test_a_touched_frozen_point_is_found(broken: Broken) -> None:
    account, instrument = make_position()
    tell_each([told(account, instrument, 10, 1)])
    frozen(instrument, 20)

    PositionPoint.objects.all().update(price=11)

    assert "iH2" in broken()


@pytest.mark.django_db(transaction=True)
def test_trades_that_race_a_freeze_are_on_one_side_of_it() -> None:
    account, instrument = make_position()
    other = make_account(currency=instrument.quote)
    trades = [told(who, instrument, at, 1) for at in range(1, 16) for who in (account, other)]
    works: list[Callable[[], object]] = [lambda trade=trade: tell_each([trade]) for trade in trades]  # type: ignore[misc]
    works.insert(10, lambda: frozen(instrument, 100))

    assert [result for result in all_at_once(works, threads=4) if isinstance(result, Exception)] == []

    period = FrozenPeriod.objects.get()
    before = PositionPoint.objects.filter(at__lt=second(100)).count()
    assert (before, Correction.objects.count()) == (period.points, 30 - period.points)
    assert regenerate(instrument_id=instrument.pk, account_id=None, now=LATER) == Regenerated(30, 0, 0)
