"""Positions over time by the scenarios: in order, out of order, at a moment; regenerated and live alike."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.history.models import LivePosition, PositionPoint
from orders.history.selectors import position_at
from orders.history.services.following import follow_books
from orders.history.services.ingesting import Taken
from orders.history.services.regenerating import Regenerated, regenerate
from tests.factories import NOW, make_account, make_instrument, make_market, short
from tests.history.telling import (
    LATER,
    asked,
    everything,
    make_position,
    points,
    second,
    tell,
    tell_each,
    told,
)
from tests.threads import PATIENCE, elsewhere, start_elsewhere

pytestmark = pytest.mark.django_db

Broken = Callable[[], list[str]]


def made_again(instrument_id: int, account_id: int | None = None) -> Regenerated:
    return regenerate(instrument_id=instrument_id, account_id=account_id, now=LATER)


def test_ac_35_sizes_of_one_give_positions_1_2_3(broken: Broken) -> None:
    account, instrument = make_position()

    tell_each([told(account, instrument, at, 1) for at in (1, 2, 3)])

    assert points(account, instrument) == [(second(1), "1"), (second(2), "2"), (second(3), "3")]
    assert broken() == []


def test_ac_36_two_instruments_do_not_mix() -> None:
    account, first = make_position()
    _, other = make_position()

    tell_each([
        *(told(account, first, at, size) for size, at in ((100, 178), (7, 180), (25, 181))),
        *(told(account, other, at, size) for size, at in ((50, 178), (150, 181))),
    ])  # fmt: skip

    assert points(account, first) == [(second(178), "100"), (second(180), "107"), (second(181), "132")]
    assert points(account, other) == [(second(178), "50"), (second(181), "200")]


@pytest.mark.parametrize("together", [True, False])
def test_ac_37_shuffled_trades_stand_in_the_order_of_time(together: bool) -> None:
    account, instrument = make_position()
    trades = [told(account, instrument, 10 * number, 10) for number in (3, 1, 5, 2, 4)]

    if together:
        tell(*trades)
    else:
        tell_each(trades)

    expected = [(second(10 * number), str(10 * number)) for number in range(1, 6)]
    assert points(account, instrument) == expected
    before = everything(instrument)
    assert made_again(instrument.pk) == Regenerated(points=5, removed=0, added=0)
    assert everything(instrument) == before


def test_ac_38_a_position_at_a_moment() -> None:
    account, instrument = make_position()
    tell_each([told(account, instrument, 100, 5), told(account, instrument, 200, 7)])

    assert asked(account, instrument, 150) == "5"
    assert asked(account, instrument, 200) == "12"
    assert asked(account, instrument, 199.999999) == "5"
    assert asked(account, instrument, 99.999999) is None
    assert asked(account, instrument) == "12"


def test_ac_38_everything_of_one_microsecond_counts_and_zero_is_a_position() -> None:
    account, instrument = make_position()
    tell_each([told(account, instrument, 100, 5), told(account, instrument, 100, -5)])

    assert asked(account, instrument, 100) == "0"
    assert [position for _at, position in points(account, instrument)] == ["5", "0"]


def test_all_accounts_together_are_the_sum_of_each() -> None:
    account, instrument = make_position()
    second_account = make_account(currency=instrument.quote)
    tell_each([
        told(account, instrument, 10, 5, price=100, fee="1"),
        told(second_account, instrument, 20, -2, price=110, fee="2"),
        told(account, instrument, 30, -1, price=90),
    ])  # fmt: skip

    assert [asked(None, instrument, at) for at in (9, 10, 25, 30)] == [None, "5", "3", "2"]
    found = position_at(instrument_id=instrument.pk, account_ids=None, at=None)
    assert found is not None
    assert (found.accounts, short(found.standing.realised), short(found.standing.fees)) == (2, "-10", "3")


class TestLate:
    def test_all_points_behind_a_late_batch_are_moved_by_one_statement(self) -> None:
        """However many series it is late for, and however far back: each point costs a row, none a query."""
        account, first = make_position()
        other = make_instrument(quote=first.quote)
        tell(*(told(account, instrument, at, 1) for instrument in (first, other) for at in range(10, 40)))

        with CaptureQueriesContext(connection) as captured:
            tell(told(account, first, 1, 5), told(account, other, 2, 7))

        moves = [query for query in captured if query["sql"].startswith("UPDATE history_positionpoint")]
        assert len(moves) == 1
        assert points(account, first)[1::29] == [(second(10), "6"), (second(39), "35")]
        assert points(account, other)[1::29] == [(second(10), "8"), (second(39), "37")]

    def test_a_late_trade_changes_what_comes_after_it_alone(self, broken: Broken) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, 10, 5, price=100), told(account, instrument, 30, -5, price=120)])
        first = PositionPoint.objects.get(account=account, at=second(10))

        tell_each([told(account, instrument, 20, 5, price=110)])

        assert points(account, instrument) == [(second(10), "5"), (second(20), "10"), (second(30), "5")]
        assert PositionPoint.objects.get(pk=first.pk).standing == first.standing
        live = LivePosition.objects.get(account=account, instrument=instrument)
        assert (short(live.position), short(live.cost), short(live.realised)) == ("5", "525", "75")
        assert live.executions == 3
        assert made_again(instrument.pk) == Regenerated(3, 0, 0)
        assert broken() == []

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_whatever_the_order_and_the_batches_the_history_is_that_of_a_rebuild(
        self, data: st.DataObject
    ) -> None:
        account, instrument = make_position()
        other = make_account(currency=instrument.quote)
        trades = [
            told(data.draw(st.sampled_from([account, other])), instrument, at, size, price=price)
            for at, size, price in data.draw(
                st.lists(
                    st.tuples(
                        st.integers(1, 12), st.integers(-9, 9).filter(bool), st.integers(1, 50)
                    ),
                    min_size=1,
                    max_size=20,
                )
            )
        ]  # fmt: skip
        while trades:
            size = data.draw(st.integers(1, len(trades)))
            tell(*trades[:size])
            trades = trades[size:]
        arrived = everything(instrument)

        assert made_again(instrument.pk).removed == 0
        assert everything(instrument) == arrived
        PositionPoint.objects.filter(instrument=instrument).delete()
        LivePosition.objects.filter(instrument=instrument).delete()
        made_again(instrument.pk)
        # Rows made anew have other ids, and say the same.
        assert [row[1:] for row in everything(instrument)] == [row[1:] for row in arrived]


class TestRegenerating:
    def test_puts_right_what_is_wrong_and_says_how_much(self, broken: Broken) -> None:
        account, instrument = make_position()
        other = make_account(currency=instrument.quote)
        tell_each([told(account, instrument, at, 10) for at in (1, 2, 3)])
        tell_each([told(other, instrument, at, 10) for at in (1, 2)])
        right = [row[1:] for row in everything(instrument)]
        PositionPoint.objects.filter(account=account, at=second(2)).update(position=Decimal(99))
        PositionPoint.objects.filter(account=other, at=second(1)).delete()
        LivePosition.objects.filter(account=account).update(cost=Decimal(1))

        assert broken() == ["iQ3-live", "iQ3-points", "iQ3-sum"]
        assert regenerate(instrument_id=instrument.pk, account_id=None, now=LATER, dry_run=True) == (
            Regenerated(points=5, removed=1, added=2)
        )
        assert [row[1:] for row in everything(instrument)] != right
        assert made_again(instrument.pk, account.pk) == Regenerated(points=3, removed=1, added=1)
        assert made_again(instrument.pk) == Regenerated(points=5, removed=0, added=1)
        assert [row[1:] for row in everything(instrument)] == right
        assert broken() == []

    def test_removes_positions_that_no_execution_made(self) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, 1, 10)])
        PositionPoint.objects.create(
            account=make_account(currency=instrument.quote), instrument=instrument, at=second(1), origin=3,
            execution_id=10**15, quantity=1, price=1, position=1, cost=1, realised=0, fees=0,
        )  # fmt: skip

        assert made_again(instrument.pk) == Regenerated(points=1, removed=1, added=0)


class TestFollowing:
    def test_fills_of_the_books_become_positions_of_both_sides(self, broken: Broken) -> None:
        market = make_market()
        seller, buyer = market.trader(), market.trader()
        market.sell(seller, 2, 50000)
        market.buy(buyer, "0.5", 50000)
        market.buy(buyer, "0.25", 50000)
        market.drain()

        assert asked(buyer, market.instrument) is None
        assert follow_books(now=NOW) == 4
        assert follow_books(now=NOW) == 0

        assert [position for _at, position in points(buyer, market.instrument)] == ["0.5", "0.75"]
        assert asked(seller, market.instrument) == "-0.75"
        assert asked(None, market.instrument) == "0"
        live = LivePosition.objects.get(account=buyer, instrument=market.instrument)
        assert (short(live.cost), short(live.fees)) == ("37500", "37.5")
        assert broken() == []

    def test_batches_cut_no_trade_and_lose_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from orders.history.services import following  # noqa: PLC0415

        market = make_market()
        seller, buyer = market.trader(), market.trader()
        market.sell(seller, 2, 50000)
        for _ in range(5):
            market.buy(buyer, "0.1", 50000)
        market.drain()
        step = following._step
        monkeypatch.setattr(following, "_step", lambda timeline, *, now: step(timeline, now=now, batch=2))

        assert follow_books(now=NOW) == 10

        assert asked(buyer, market.instrument) == "0.5"
        assert made_again(market.instrument.pk) == Regenerated(10, 0, 0)

    def test_late_external_trades_and_fills_make_one_history(self, broken: Broken) -> None:
        market = make_market()
        seller, buyer = market.trader(), market.trader()
        market.sell(seller, 2, 50000)
        market.buy(buyer, 1, 50000)
        market.drain()
        follow_books(now=NOW)

        tell_each([told(buyer, market.instrument, NOW - timedelta(seconds=1), 3, price=40000)])
        market.buy(buyer, 1, 50000)
        market.drain()
        tell_each([told(buyer, market.instrument, NOW, -5, price=60000)])

        # At the microsecond of the fills they count first, then what others told.
        follow_books(now=NOW)
        assert [position for _at, position in points(buyer, market.instrument)] == ["3", "4", "5", "0"]
        assert asked(buyer, market.instrument, NOW) == "0"
        live = LivePosition.objects.get(account=buyer, instrument=market.instrument)
        assert short(live.realised) == str(5 * 60000 - 3 * 40000 - 2 * 50000)
        assert made_again(market.instrument.pk).removed == 0
        assert broken() == []

    def test_regenerating_follows_the_book_first(self) -> None:
        market = make_market()
        seller, buyer = market.trader(), market.trader()
        market.sell(seller, 1, 50000)
        market.buy(buyer, 1, 50000)
        market.drain()

        assert made_again(market.instrument.pk) == Regenerated(2, 0, 0)

        assert asked(buyer, market.instrument) == "1"
        assert follow_books(now=NOW) == 0


def test_random_trading_and_telling_equals_its_rebuild(broken: Broken) -> None:
    chance = random.Random(11)
    market = make_market()
    traders = [market.trader() for _ in range(4)]
    for step in range(60):
        trader = chance.choice(traders)
        if chance.random() < 0.6:
            side = chance.choice([market.buy, market.sell])
            side(trader, str(chance.randint(1, 9) / 10), chance.choice([49990, 50000, 50010]))
            market.drain(now=NOW + timedelta(seconds=step))
        else:
            at = NOW - timedelta(seconds=chance.randint(0, 20))
            tell(told(trader, market.instrument, at, chance.choice([-3, -1, 2, 4]), price=49000 + step))
        if chance.random() < 0.3:
            follow_books(now=NOW)
    follow_books(now=NOW)

    assert made_again(market.instrument.pk).removed == 0
    assert broken() == []


@pytest.mark.django_db(transaction=True)
class TestMeanwhile:
    def test_who_asks_while_it_is_regenerated_sees_the_old_or_the_new(self) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, at, 10) for at in (1, 2, 3)])
        PositionPoint.objects.filter(at__gte=second(2)).update(position=Decimal(99))
        old = [(second(1), "10"), (second(2), "99"), (second(3), "99")]

        with transaction.atomic():
            assert made_again(instrument.pk) == Regenerated(points=3, removed=2, added=2)
            assert elsewhere(lambda: points(account, instrument)) == old
            assert elsewhere(lambda: asked(account, instrument)) == "99"

        assert elsewhere(lambda: points(account, instrument)) == [
            (second(1), "10"), (second(2), "20"), (second(3), "30"),
        ]  # fmt: skip

    def test_a_trade_that_is_told_meanwhile_waits_and_is_not_lost(self) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, at, 10) for at in (1, 3)])

        with transaction.atomic():
            made_again(instrument.pk)
            telling = start_elsewhere(lambda: tell(told(account, instrument, 2, 5)))
            with pytest.raises(TimeoutError):
                telling.result(timeout=0.3)
        assert telling.result(timeout=PATIENCE) == [Taken.NEW]

        assert points(account, instrument) == [(second(1), "10"), (second(2), "15"), (second(3), "25")]
        assert made_again(instrument.pk) == Regenerated(points=3, removed=0, added=0)
