"""The address that `make run` prints for the API says where everything is."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from tests.api.client import Api
from tradeplatform.config import load_config


def test_says_where_everything_is(db: None) -> None:
    answer = Api().get("/", headers={"Host": "localhost:8000"})

    assert (answer.status_code, answer.json()) == (200, {
        "version": "1",
        "docs": "http://localhost:8000/api/docs",
        "openapi": "http://localhost:8000/api/schema",
        "instruments": "http://localhost:8000/api/v1/instruments",
        "tickers": "http://localhost:8000/api/v1/tickers",
        "login": "http://localhost:8000/api/v1/auth/login",
        "feed": f"ws://localhost:{load_config().ws_port}/ws/v1",
    })  # fmt: skip


@pytest.mark.parametrize("name", ["docs", "openapi", "instruments", "tickers"])
def test_what_it_names_is_there(db: None, client: Client, name: str) -> None:
    assert client.get(Api().get("/").json()[name]).status_code == 200


def test_the_feed_has_the_sites_own_name_behind_a_proxy(db: None, settings: Settings) -> None:
    settings.FEED_PORT = None

    assert Api().get("/", headers={"Host": "localhost"}).json()["feed"] == "wss://localhost/ws/v1"


@pytest.mark.parametrize(
    ("asked", "status", "named"), [("/api/docs/", 302, "/api/docs"), ("/api/v1", 301, "/api/v1/")]
)
def test_both_are_found_with_a_slash_and_without(client: Client, asked: str, status: int, named: str) -> None:
    answer = client.get(asked)

    assert (answer.status_code, answer["Location"]) == (status, named)
