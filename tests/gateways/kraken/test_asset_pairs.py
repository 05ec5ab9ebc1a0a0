"""GET /0/public/AssetPairs: which digits the numbers of a pair's book have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from instruments.models import Instrument, InstrumentStatus
from tests.factories import Market, make_asset, make_market
from tradeplatform.common.valkey import client as valkey

pytestmark = pytest.mark.django_db(transaction=True)


def ask(query: str = "") -> Any:
    answer = Client().get(f"/0/public/AssetPairs{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def name_of(market: Market) -> str:
    return f"{market.instrument.base.code}/{market.instrument.quote.code}"


def test_a_pair_is_answered_under_its_name_whichever_way_it_is_asked(pair: Market) -> None:
    name = name_of(pair)
    found = ask(f"?pair={name}")
    assert found["error"] == []
    assert list(found["result"]) == [name]
    body = found["result"][name]
    assert (body["altname"], body["wsname"]) == (pair.symbol, name)
    assert (body["pair_decimals"], body["lot_decimals"]) == (2, 4)
    assert (body["ordermin"], body["tick_size"], body["status"]) == ("0.0001", "0.01", "online")
    assert (body["fees"], body["fees_maker"]) == ([[0, 0.1]], [[0, 0.05]])
    assert ask(f"?pair={pair.symbol}") == found
    assert ask()["result"][name] == body


def test_a_symbol_without_its_quote_asset_at_the_end_is_its_own_name(market: Market) -> None:
    assert list(ask(f"?pair={market.symbol}")["result"]) == [market.symbol]


@pytest.mark.parametrize("name", ["XXX/YYY", "", "/", "BTC//USD", "%00", "%ED%A0%80", "a" * 500])
def test_an_unknown_pair(name: str, pair: Market) -> None:
    assert ask(f"?pair={name}") == {"error": ["EQuery:Unknown asset pair"]}
    assert ask(f"?pair={pair.symbol},{name}") == {"error": ["EQuery:Unknown asset pair"]}


def test_another_slash_is_another_name(transactional_db: None) -> None:
    base, quote = make_asset(decimals=8), make_asset(decimals=8)
    market = make_market(base=base, quote=quote, symbol=f"{base.code}{quote.code}")
    wrong = f"{market.symbol[:1]}/{market.symbol[1:]}"
    assert ask(f"?pair={wrong}") == {"error": ["EQuery:Unknown asset pair"]}


def test_too_many_names() -> None:
    assert ask("?pair=" + ",".join("A" * 101)) == {"error": ["EGeneral:Invalid arguments"]}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (InstrumentStatus.AUCTION, "limit_only"),
        (InstrumentStatus.PRE_OPEN, "limit_only"),
        (InstrumentStatus.HALTED, "cancel_only"),
    ],
)
def test_a_status_says_which_orders_are_taken(status: InstrumentStatus, word: str, pair: Market) -> None:
    Instrument.objects.filter(pk=pair.instrument.pk).update(status=status)
    assert ask(f"?pair={pair.symbol}")["result"][name_of(pair)]["status"] == word


@pytest.mark.parametrize("path", ["/0/public/Assets", "/0/private/Balance", "/0/"])
def test_there_is_nothing_else(path: str) -> None:
    assert Client().get(path).json() == {"error": ["EGeneral:Unknown method"]}


def test_who_asks_too_often_is_told_so(settings: Settings, pair: Market) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": 1}
    for key in valkey().scan_iter("limit:anonymous:*"):
        valkey().delete(key)
    assert Client().get("/0/public/AssetPairs?pair=" + pair.symbol).status_code == 200
    refused = Client().get("/0/public/AssetPairs?pair=" + pair.symbol)
    assert refused.status_code == 429
    assert refused.json() == {"error": ["EAPI:Rate limit exceeded"]}
    assert Decimal(refused["Retry-After"]) > 0
