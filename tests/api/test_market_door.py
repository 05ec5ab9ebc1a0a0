"""The door for the anonymous: the view's bytes, and whatever is not plainly its question goes to the view."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import TradingAccount
from orders.market.api import views
from orders.market.api.door import encoded
from orders.market.services import warm
from tests.api.client import Api, refused
from tests.factories import Market


@pytest.fixture
def viewed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the view has answered."""
    answers: list[bytes] = []

    def noted(body: bytes) -> Any:
        answers.append(body)
        return encoded(body)

    monkeypatch.setattr(views, "encoded", noted)
    return answers


@pytest.fixture(autouse=True)
def _book(market: Market, alice: TradingAccount, bob: TradingAccount) -> None:
    market.buy(alice, 2, 49990)
    market.buy(alice, 1, 49980)
    market.sell(bob, 1, 49990)
    market.sell(bob, 3, 50010)
    market.drain()


@pytest.mark.parametrize("question", ["depth", "depth?limit=1", "depth?limit=5000", "ticker"])
def test_a_stranger_is_answered_the_bytes_of_the_view(
    market: Market, anonymous: Api, api: Api, viewed: list[bytes], question: str
) -> None:
    path = f"/instruments/{market.symbol}/{question}"

    strange = anonymous.get(path)

    assert viewed == []
    known = api.get(path)
    assert viewed == [known.content] == [strange.content]
    assert strange["Content-Type"] == known["Content-Type"] == "application/json"
    assert strange["Content-Length"] == str(len(strange.content))


def test_one_query_answers_it(
    market: Market, anonymous: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    anonymous.get(f"/instruments/{market.symbol}/depth")

    with django_assert_num_queries(1):
        assert anonymous.get(f"/instruments/{market.symbol}/depth").json()["bids"][0] == [
            "49990.00",
            "1.0000",
        ]


def test_the_next_order_is_in_the_next_answer(market: Market, alice: TradingAccount, anonymous: Api) -> None:
    for number in range(1, 4):
        market.buy(alice, 1, 49990 + number)
        market.drain()

        answer = anonymous.get(f"/instruments/{market.symbol}/ticker").json()

        assert answer["bid"] == f"{49990 + number}.00"


def test_an_answer_has_the_headers_of_every_other(market: Market, anonymous: Api, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://charts.example"]

    answer = anonymous.get(
        f"/instruments/{market.symbol}/ticker",
        headers={"Origin": "https://charts.example", "X-Correlation-ID": "mine-1"},
    )

    assert answer["Access-Control-Allow-Origin"] == "https://charts.example"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Correlation-ID"] == "mine-1"


@pytest.mark.parametrize("what", ["depth", "ticker"])
def test_an_unknown_instrument_is_refused_as_by_the_view(anonymous: Api, api: Api, what: str) -> None:
    strange, known = (one.get(f"/instruments/NOSUCH/{what}") for one in (anonymous, api))

    bodies = [refused(answer, "unknown_symbol", 404) | {"correlation_id": ""} for answer in (strange, known)]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("limit", ["0", "-1", "5001", "05", "x", "1&limit=2", "1&other=1"])
def test_a_limit_it_does_not_know_goes_to_the_view(
    market: Market, anonymous: Api, api: Api, limit: str
) -> None:
    path = f"/instruments/{market.symbol}/depth?limit={limit}"

    strange, known = anonymous.get(path), api.get(path)

    assert strange.status_code == known.status_code
    assert strange.json() | {"correlation_id": ""} == known.json() | {"correlation_id": ""}


def test_who_claims_to_be_somebody_goes_to_the_view(market: Market) -> None:
    answer = Api().bearer("junk").get(f"/instruments/{market.symbol}/ticker")

    refused(answer, "not_authenticated", 401)


def test_without_its_book_the_view_answers(
    market: Market, anonymous: Api, viewed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the database went away in between and came back."""
    look_up, failures = warm.market, [OperationalError("gone")]

    def fails_once(symbol: str) -> Any:
        if failures:
            raise failures.pop()
        return look_up(symbol)

    monkeypatch.setattr(warm, "market", fails_once)

    assert anonymous.get(f"/instruments/{market.symbol}/depth").status_code == 200
    assert len(viewed) == 1
