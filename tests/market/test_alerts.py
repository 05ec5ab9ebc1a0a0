"""Price alerts: each fires once, at the first price from its placing on that reaches it, and is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from accounts.models import TradingAccount
from accounts.selectors import Reach
from audit.models import AuditRecord
from instruments.models import InstrumentStatus
from instruments.services.pricing import NewQuote, record_quotes
from orders.market.models import AlertDirection, AlertState, AlertWatch, PriceAlert
from orders.market.services import alerting, telling
from orders.market.services.alerting import cancel_alert, cancel_for, place_alert
from orders.market.services.following import follow
from orders.models import Trade
from tests.factories import ACTOR, NOW, Market, make_account, make_market, short
from tests.market.alerts import alert_wanted
from tests.market.conftest import Trading
from tests.threads import all_at_once
from tradeplatform.common.db import execute
from tradeplatform.common.errors import Refusal

SECOND = timedelta(seconds=1)

Place = Callable[..., PriceAlert]


@pytest.fixture
def place(market: Market, alice: TradingAccount) -> Place:
    """Alice waits for a price, above unless it is said."""

    def placed(price: int | str, **changes: Any) -> PriceAlert:
        return place_alert(alert_wanted(market, alice, price, **changes), actor=ACTOR, now=NOW).alert

    return placed


def now_is(alert: PriceAlert) -> tuple[str, str | None]:
    """State, and the price that fired it."""
    alert.refresh_from_db()
    return alert.state, alert.fired_price and short(alert.fired_price)


def quote(market: Market, bid: int, ask: int, *, after: int) -> None:
    at = NOW + after * SECOND
    record_quotes([NewQuote(market.instrument.id, Decimal(bid), Decimal(ask), at, "test")], now=at)


def test_ac_44_an_alert_above_fires_once_then_is_inactive(
    market: Market, trade: Trading, place: Place, broken: Callable[[], list[str]]
) -> None:
    alert = place(50000)
    trade(49999)
    assert follow(now=NOW).alerts == 0
    assert now_is(alert) == ("active", None)

    trade(50001, at=NOW + SECOND)
    trade(50002, at=NOW + 2 * SECOND)
    assert follow(now=NOW).alerts == 1
    fired = Trade.objects.get(price=50001)
    assert now_is(alert) == ("fired", "50001")
    assert (alert.fired_at, alert.trade_id) == (NOW + SECOND, fired.pk)

    trade(49000)
    trade(50003)
    assert follow(now=NOW).alerts == 0
    assert now_is(alert) == ("fired", "50001")
    assert broken() == []


@pytest.mark.parametrize(
    ("direction", "prices", "fired"),
    [
        ("above", (49999, 50000), "50000"),
        ("above", (49999, 49998), None),
        ("below", (50001, 50000), "50000"),
        ("below", (50001, 49000), "49000"),
        ("below", (50001, 50002), None),
    ],
)
def test_the_price_itself_is_enough(
    trade: Trading, place: Place, direction: str, prices: tuple[int, int], fired: str | None
) -> None:
    alert = place(50000, direction=AlertDirection(direction))
    for price in prices:
        trade(price)
    follow(now=NOW)

    assert now_is(alert) == ("fired" if fired else "active", fired)


def test_what_was_traded_before_does_not_count_but_what_comes_does(trade: Trading, place: Place) -> None:
    trade(50500)
    alert = place(50000)
    assert follow(now=NOW).alerts == 0
    assert now_is(alert)[0] == "active"

    trade(50500)
    follow(now=NOW)
    assert now_is(alert) == ("fired", "50500")


def test_only_its_own_instrument_counts(market: Market, trade: Trading, place: Place) -> None:
    other = make_market()
    elsewhere = place(50000, symbol=other.symbol)
    here = place(50000)

    trade(50100)
    follow(now=NOW)

    assert (now_is(here)[0], now_is(elsewhere)[0]) == ("fired", "active")


@pytest.mark.parametrize(
    ("watches", "direction", "fired"),
    [("bid", "above", "102"), ("ask", "above", "103"), ("bid", "below", "97"), ("ask", "below", "98")],
)
def test_bid_and_ask_are_those_of_every_quote(
    market: Market, place: Place, watches: str, direction: str, fired: str
) -> None:
    quote(market, 150, 151, after=-5)
    price = "102" if direction == "above" else "98"
    alert = place(price, watches=AlertWatch(watches), direction=AlertDirection(direction))
    for bid, ask, after in ((100, 101, 1), (102, 103, 2), (97, 98, 3), (100, 101, 4)):
        quote(market, bid, ask, after=after)

    assert follow(now=NOW).alerts == 1

    assert now_is(alert) == ("fired", fired)
    assert alert.trade_id is None
    assert alert.fired_at == NOW + (2 if direction == "above" else 3) * SECOND


def test_a_late_quote_is_history(market: Market, place: Place) -> None:
    alert = place(200, watches=AlertWatch.BID)
    quote(market, 100, 101, after=10)
    follow(now=NOW)

    quote(market, 300, 301, after=5)
    follow(now=NOW)

    assert now_is(alert) == ("active", None)


def test_a_follower_that_starts_again_fires_nothing_twice(
    trade: Trading, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies after firing, before its transaction is over; then after it, before anybody was told."""
    alert = place(50000)
    trade(50001)
    told: list[list[int]] = []

    def dies(*_args: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("orders.market.services.following.advance", dies)
        with pytest.raises(RuntimeError, match="killed"):
            follow(now=NOW)
    assert now_is(alert) == ("active", None)

    with monkeypatch.context() as patch:
        patch.setattr("orders.market.services.following.tell_fired", lambda **_: dies())
        with pytest.raises(RuntimeError, match="killed"):
            follow(now=NOW)
    assert now_is(alert) == ("fired", "50001")
    assert alert.told_at is None

    def tell(alerts: list[PriceAlert]) -> bool:
        told.append([one.pk for one in alerts])
        return True

    monkeypatch.setattr(telling, "tell", tell)
    assert follow(now=NOW + SECOND).alerts == 0
    follow(now=NOW + 2 * SECOND)
    assert told == [[alert.pk]]
    alert.refresh_from_db()
    assert alert.told_at == NOW + SECOND


@pytest.mark.parametrize(
    "change",
    [
        "state = 'active', fired_at = NULL, fired_price = NULL, trade_id = NULL, told_at = NULL",
        "fired_at = fired_at + interval '1 second'",
        "fired_price = fired_price + 1",
        "price = price - 1",
    ],
)
def test_the_database_lets_nobody_fire_it_again(trade: Trading, place: Place, change: str) -> None:
    place(50000)
    trade(50001)
    follow(now=NOW)

    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        execute(f"UPDATE marketdata_pricealert SET {change}")  # noqa: S608 - above


def test_the_database_deletes_none(place: Place) -> None:
    place(50000)

    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        execute("DELETE FROM marketdata_pricealert")


class TestPlacing:
    def test_the_same_request_is_one_alert(self, market: Market, alice: TradingAccount) -> None:
        asked = alert_wanted(market, alice, 50000)

        first, second = (place_alert(asked, actor=ACTOR, now=NOW) for _ in range(2))

        assert (first.repeated, second.repeated) == (False, True)
        assert first.alert == second.alert
        assert PriceAlert.objects.count() == 1

    def test_another_alert_under_its_id_is_a_conflict(self, market: Market, alice: TradingAccount) -> None:
        place_alert(alert_wanted(market, alice, 50000, request_id="a"), actor=ACTOR, now=NOW)

        others: list[tuple[int, dict[str, Any]]] = [
            (50001, {}),
            (50000, {"direction": AlertDirection.BELOW}),
            (50000, {"watches": AlertWatch.BID}),
        ]
        for price, changes in others:
            with pytest.raises(Refusal) as caught:
                place_alert(
                    alert_wanted(market, alice, price, request_id="a", **changes), actor=ACTOR, now=NOW
                )
            assert caught.value.code == "request_id_conflict"
        assert PriceAlert.objects.count() == 1

    @pytest.mark.parametrize(
        ("price", "code"),
        [
            ("0", "invalid_number"),
            ("-1", "invalid_number"),
            ("NaN", "invalid_number"),
            ("1e30", "invalid_number"),
            ("50000.001", "price_not_on_tick"),
        ],
    )
    def test_a_price_that_cannot_be_is_refused(self, place: Place, price: str, code: str) -> None:
        with pytest.raises(Refusal) as caught:
            place(price)

        assert caught.value.code == code
        assert not PriceAlert.objects.exists()

    def test_what_is_not_traded_any_more_is_refused(self, market: Market, place: Place) -> None:
        market.instrument.status = InstrumentStatus.DELISTED
        market.instrument.save()

        with pytest.raises(Refusal) as caught:
            place(50000)

        assert caught.value.code == "instrument_delisted"

    def test_a_person_has_so_many_and_no_more_over_all_accounts(
        self, market: Market, alice: TradingAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(alerting, "MOST_ACTIVE", 3)
        second = make_account(currency=market.instrument.quote, user=alice.user)
        placed = [
            place_alert(alert_wanted(market, account, 50000), actor=ACTOR, now=NOW).alert
            for account in (alice, second, alice)
        ]

        with pytest.raises(Refusal) as caught:
            place_alert(alert_wanted(market, second, 50000), actor=ACTOR, now=NOW)
        assert (caught.value.code, caught.value.context["maximum"]) == ("too_many_active_alerts", 3)

        cancel_alert(Reach(alice.user_id), placed[0].pk, actor=ACTOR, now=NOW)
        place_alert(alert_wanted(market, second, 50000), actor=ACTOR, now=NOW)


class TestCancelling:
    def test_a_cancelled_alert_never_fires(self, alice: TradingAccount, trade: Trading, place: Place) -> None:
        alert = place(50000)

        cancel_alert(Reach(alice.user_id), alert.pk, actor=ACTOR, now=NOW + SECOND)
        again = cancel_alert(Reach(alice.user_id), alert.pk, actor=ACTOR, now=NOW + 2 * SECOND)

        assert again.cancelled_at == NOW + SECOND
        trade(50001)
        assert follow(now=NOW).alerts == 0
        assert now_is(alert) == ("cancelled", None)

    def test_a_fired_one_has_fired(self, alice: TradingAccount, trade: Trading, place: Place) -> None:
        alert = place(50000)
        trade(50001)
        follow(now=NOW)

        with pytest.raises(Refusal) as caught:
            cancel_alert(Reach(alice.user_id), alert.pk, actor=ACTOR, now=NOW)

        assert caught.value.code == "alert_not_active"
        assert now_is(alert) == ("fired", "50001")

    def test_somebody_elses_is_not_there(self, bob: TradingAccount, place: Place) -> None:
        alert = place(50000)

        with pytest.raises(Refusal) as caught:
            cancel_alert(Reach(bob.user_id), alert.pk, actor=ACTOR, now=NOW)

        assert caught.value.code == "alert_not_found"
        assert now_is(alert)[0] == "active"

    def test_an_operator_says_why(self, place: Place) -> None:
        alert = place(50000)
        with pytest.raises(Refusal) as caught:
            cancel_for(alert_id=alert.pk, actor=ACTOR, now=NOW, reason=" ")
        assert caught.value.code == "reason_required"

        cancel_for(alert_id=alert.pk, actor=ACTOR, now=NOW, reason="asked by phone")

        record = AuditRecord.objects.get(action="market.alert.cancel")
        assert (record.reason, record.before, record.after) == (
            "asked by phone",
            {"state": "active"},
            {"state": "cancelled"},
        )
        assert now_is(alert)[0] == "cancelled"


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_placing_one_request_at_once_is_one_alert(
        self, transactional_db: None, market: Market, alice: TradingAccount
    ) -> None:
        asked = alert_wanted(market, alice, 50000)

        results = all_at_once([lambda: place_alert(asked, actor=ACTOR, now=NOW)] * 8)

        assert [result for result in results if isinstance(result, Exception)] == []
        assert PriceAlert.objects.count() == 1

    def test_the_limit_holds_for_those_who_come_at_once(
        self,
        transactional_db: None,
        market: Market,
        alice: TradingAccount,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(alerting, "MOST_ACTIVE", 3)

        all_at_once([lambda: place_alert(alert_wanted(market, alice, 50000), actor=ACTOR, now=NOW)] * 12)

        assert PriceAlert.objects.count() == 3

    def test_firing_and_cancelling_at_once_have_one_winner(
        self, transactional_db: None, market: Market, alice: TradingAccount, trade: Trading, place: Place
    ) -> None:
        for step in range(6):
            alert = place(50000)
            trade(50001, at=NOW + step * SECOND)

            acts: list[Callable[[], object]] = [
                partial(cancel_alert, Reach(alice.user_id), alert.pk, actor=ACTOR, now=NOW),
                partial(follow, now=NOW),
                partial(follow, now=NOW),
            ]
            cancelled, *_followed = all_at_once(acts, threads=3)

            state = now_is(alert)[0]
            assert state == ("fired" if isinstance(cancelled, Refusal) else "cancelled")

    def test_no_trade_slips_between_placing_and_following(
        self,
        transactional_db: None,
        market: Market,
        trade: Trading,
        place: Place,
        broken: Callable[[], list[str]],
    ) -> None:
        for step in range(6):
            acts: list[Callable[[], object]] = [
                partial(place, 50000),
                partial(trade, 50001, at=NOW + step * SECOND),
                partial(follow, now=NOW),
            ]
            all_at_once(acts, threads=3)
            follow(now=NOW)
            assert broken() == []
            assert set(PriceAlert.objects.values_list("state", flat=True)) <= {
                AlertState.ACTIVE,
                AlertState.FIRED,
            }
