"""Wall 15: a time-out means "unknown", never "failed": the caller can always ask again by its own id."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from accounts.models import TradingAccount, Transfer
from accounts.services import funding
from accounts.services.funding import deposit
from orders.models import Order, Side
from orders.selectors import find_order_by_client_id
from orders.services.requests import Accepted
from orders.services.writing import orders_written
from tests.factories import ACTOR, NOW, Market, make_market, money
from tests.threads import PATIENCE, elsewhere, start_elsewhere
from tradeplatform.common.api_errors import problem_details_handler
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db(transaction=True)


def lose_my_session() -> None:
    """The server ends the session of whoever calls this."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def terminate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    elsewhere(terminate)


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def trader(market: Market) -> TradingAccount:
    return market.trader(base=10, quote=0)


def send(market: Market, trader: TradingAccount) -> Accepted:
    return market.send(market.request(trader, Side.SELL, 1, 50000, client_order_id="mine"))


def known(trader: TradingAccount) -> int | None:
    """The answer to "what became of it?"."""
    try:
        return find_order_by_client_id(account_id=trader.id, client_order_id="mine").id
    except Refusal as refusal:
        assert refusal.code == Code.ORDER_NOT_FOUND  # noqa: PT017
        return None


def test_wall_15_a_connection_lost_before_the_commit_left_nothing(
    market: Market, trader: TradingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_and_lose(*args: Any, **how: Any) -> Any:
        written = orders_written(*args, **how)
        lose_my_session()
        return written

    with monkeypatch.context() as patched:
        patched.setattr("orders.services.intake.orders_written", write_and_lose)
        attempt = start_elsewhere(lambda: send(market, trader))
        with pytest.raises((DatabaseError, InterfaceError)):
            attempt.result(PATIENCE)

    assert known(trader) is None
    assert money(trader, market.instrument.base) == ("10", "0")
    assert send(market, trader).duplicate is False
    assert (Order.objects.filter(account=trader).count(), money(trader, market.instrument.base)) == (
        1,
        ("10", "1"),
    )


def test_wall_15_an_answer_lost_after_the_commit_is_found_by_asking(
    market: Market, trader: TradingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = connection.commit

    def commit_and_lose() -> None:
        commit()
        raise OperationalError("the connection was lost before the answer")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "commit", commit_and_lose)
        with pytest.raises(OperationalError, match="before the answer"):
            send(market, trader)

    order_id = known(trader)
    assert order_id is not None
    again = send(market, trader)
    assert (again.order_id, again.duplicate) == (order_id, True)
    market.drain()
    assert (Order.objects.filter(account=trader).count(), money(trader, market.instrument.base)) == (
        1,
        ("10", "1"),
    )


def test_wall_15_money_too_moves_once_however_often_it_is_sent(
    market: Market, trader: TradingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = market.instrument.base

    def pay() -> Transfer:
        return deposit(
            account_id=trader.id,
            asset=asset.code,
            amount=Decimal("2.5"),
            reason="wire",
            request_id=f"mine-{trader.id}",
            actor=ACTOR,
            now=NOW,
        )

    def lose(**_how: Any) -> None:
        raise TimeoutError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(funding, "record", lose)
        with pytest.raises(TimeoutError, match="no answer"):
            pay()

    assert money(trader, asset) == ("10", "0")
    assert len({pay().id for _ in range(3)}) == 1
    assert money(trader, asset) == ("12.5", "0")


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_wall_15_the_door_says_unknown_and_how_to_find_out(error: type[Exception]) -> None:
    response = problem_details_handler(error("server closed the connection unexpectedly"), {})

    assert response is not None
    assert (response.status_code, response.data["code"]) == (503, Code.UNAVAILABLE)
    assert "outcome is unknown" in response.data["detail"]
    assert "ask again by your own id" in response.data["detail"]
    assert response.headers["Retry-After"] == "1"
