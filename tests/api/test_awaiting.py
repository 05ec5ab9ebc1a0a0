"""Writes wait for the book: the answer is the order after matching, or 202 when the time was too short."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import TradingAccount
from orders.models import Command, CommandStatus
from orders.services import awaiting
from tests.api.client import Api, order_body, refused
from tests.factories import Market, stored

pytestmark = pytest.mark.django_db(transaction=True)

Answering = Callable[..., "Future[None]"]


@pytest.fixture
def book_answers(transactional_db: None, market: Market) -> Iterator[Answering]:
    """Let the book answer, from another thread, as soon as so many commands wait for it."""

    def answer(commands: int) -> None:
        deadline = time.monotonic() + 10
        pending = Command.objects.filter(shard_id=market.shard.id, status=CommandStatus.PENDING)
        try:
            while pending.count() < commands:
                assert time.monotonic() < deadline, "the commands never came"
                time.sleep(0.002)
            market.drain(now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        yield lambda *, after: pool.submit(answer, after)


class TestWait:
    def test_answers_with_the_matched_order(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, book_answers: Answering
    ) -> None:
        market.sell(bob, "0.4", 50000)
        market.drain()
        done = book_answers(after=1)

        response = api.post("/orders?wait=5000", order_body(market, alice))

        done.result()
        assert response.status_code == 201
        assert (response.json()["status"], response.json()["filled"]) == ("partially_filled", "0.4000")

    def test_answers_202_when_the_time_is_up(self, market: Market, alice: TradingAccount, api: Api) -> None:
        began = time.monotonic()

        response = api.post("/orders?wait=60", order_body(market, alice))

        assert 0.06 <= time.monotonic() - began < 2
        assert (response.status_code, response.json()["status"]) == (202, "pending")
        assert stored(int(response.json()["id"])).status == "pending"

    def test_does_not_take_every_thread_when_matching_stalls(
        self, market: Market, alice: TradingAccount, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        places = BoundedSemaphore(1)
        monkeypatch.setattr(awaiting, "_places", places)
        began = time.monotonic()

        with places:
            response = api.post("/orders?wait=5000", order_body(market, alice))

        assert time.monotonic() - began < 2
        assert (response.status_code, response.json()["status"]) == (202, "pending")

    def test_of_a_repeated_request_answers_200_with_the_same_order_matched(
        self, market: Market, alice: TradingAccount, api: Api, book_answers: Answering
    ) -> None:
        body = order_body(market, alice, client_order_id="again")
        first = api.post("/orders?wait=0", body)
        done = book_answers(after=1)

        response = api.post("/orders?wait=5000", body)

        done.result()
        assert (response.status_code, response.json()["status"]) == (200, "open")
        assert response.json()["id"] == first.json()["id"]

    def test_answers_for_a_whole_batch(
        self, market: Market, alice: TradingAccount, api: Api, book_answers: Answering
    ) -> None:
        done = book_answers(after=3)

        response = api.post(
            "/orders/batch?wait=5000", {"orders": [order_body(market, alice, quantity="0.1")] * 3}
        )

        done.result()
        assert [(item["status"], item["order"]["status"]) for item in response.json()["results"]] == [
            (201, "open")
        ] * 3

    def test_answers_with_the_amended_order(
        self, market: Market, alice: TradingAccount, api: Api, book_answers: Answering
    ) -> None:
        order = market.buy(alice, 1, 50000)
        market.drain()
        done = book_answers(after=1)

        response = api.patch(f"/orders/{order}?wait=5000", {"price": "49000"})

        done.result()
        assert (response.status_code, response.json()["price"]) == (200, "49000.00")

    def test_answers_with_the_cancelled_order(
        self, market: Market, alice: TradingAccount, api: Api, book_answers: Answering
    ) -> None:
        order = market.buy(alice, 1, 50000)
        market.drain()
        done = book_answers(after=1)

        response = api.delete(f"/orders/{order}?wait=5000")

        done.result()
        assert (response.status_code, response.json()["status"]) == (200, "cancelled")

    def test_answers_once_all_are_cancelled(
        self, market: Market, alice: TradingAccount, api: Api, book_answers: Answering
    ) -> None:
        for price in (50000, 49900, 49800):
            market.buy(alice, 1, price)
        market.drain()
        done = book_answers(after=1)

        response = api.delete(f"/orders?account={alice.id}&wait=5000")

        done.result()
        assert response.status_code == 200
        assert [row["status"] for row in response.json()["results"]] == ["cancelled"] * 3


class TestTheBookSaysNo:
    def test_to_a_cancel_that_came_too_late(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, book_answers: Answering
    ) -> None:
        order = market.buy(alice, 1, 50000)
        market.drain()
        market.sell(bob, 1)
        done = book_answers(after=2)

        response = api.delete(f"/orders/{order}?wait=5000")

        done.result()
        context = refused(response, "order_not_open", 409)["context"]
        assert (context["order"], context["reason"]) == (str(order), "unknown_order")
        assert stored(order).status == "filled"

    def test_to_an_amend_that_came_too_late(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, book_answers: Answering
    ) -> None:
        order = market.buy(alice, 1, 50000)
        market.drain()
        market.sell(bob, "0.8")
        done = book_answers(after=2)

        response = api.patch(f"/orders/{order}?wait=5000", {"quantity": "0.7"})

        done.result()
        assert refused(response, "below_executed", 409)["context"]["reason"] == "below_executed"
        after = stored(order)
        assert (after.status, after.quantity, after.filled) == (
            "partially_filled",
            1,
            after.quantity - after.leaves,
        )

    def test_to_an_amend_that_would_take(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api, book_answers: Answering
    ) -> None:
        market.sell(bob, 1, 50100)
        order = market.buy(alice, 1, 50000, post_only=True)
        market.drain()
        done = book_answers(after=1)

        response = api.patch(f"/orders/{order}?wait=5000", {"price": "50100"})

        done.result()
        refused(response, "would_take", 409)
        assert (stored(order).status, stored(order).price) == ("open", 50000)
