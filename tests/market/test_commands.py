"""`manage.py candles` and `manage.py alerts`: tables, JSON, and candles made again from the trades."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import TradingAccount
from orders.market.models import Candle
from orders.market.services.alerting import place_alert
from orders.market.services.following import follow
from tests.factories import ACTOR, NOW, Market
from tests.market.alerts import alert_wanted
from tests.market.conftest import Trading
from tests.market.test_following import everything
from tradeplatform.common.db import execute


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def answer(*words: str) -> Any:
    return json.loads(run(*words, "--json"))


def test_candles_are_those_of_the_api(market: Market, trade: Trading) -> None:
    trade(50000)
    before = "2026-03-02T12:30:00Z"

    found = answer("candles", market.symbol, "--interval", "1h", "--before", before, "--limit", "3")

    assert [(row["time"], row["close"]) for row in found["candles"]] == [
        ("2026-03-02T12:00:00.000000Z", "50000.00")
    ]
    assert "50000.00" in run("candles", market.symbol, "--before", before)


def test_wrong_candles_are_counted_and_made_again(
    market: Market, trade: Trading, broken: Callable[[], list[str]]
) -> None:
    for price in (50000, 50100):
        trade(price)
        follow(now=NOW)
    right = everything()
    execute("UPDATE marketdata_candle SET high = high + 1 WHERE interval = '1m'")
    execute("DELETE FROM marketdata_candle WHERE interval = '1d'")
    wrong = {"1s": 0, "1m": 1, "1h": 0, "1d": 1}

    counted = answer("candles", market.symbol, "--rebuild", "--dry-run")
    assert (counted["wrong"], counted["dry_run"]) == (wrong, True)
    assert broken() == ["iD1-1d", "iD1-1m"]

    assert answer("candles", market.symbol, "--rebuild")["wrong"] == wrong
    assert everything() == right
    assert answer("candles", market.symbol, "--rebuild")["wrong"] == dict.fromkeys(wrong, 0)
    trade(50200)
    follow(now=NOW)
    assert broken() == []
    assert Candle.objects.get(interval="1d").trades == 3


@pytest.mark.parametrize(
    "words", [["NOSUCH"], ["--dry-run"], ["--limit", "1001"]], ids=["symbol", "dry run alone", "limit"]
)
def test_nonsense_is_refused(market: Market, words: list[str]) -> None:
    if words[0].startswith("--"):
        words = [market.symbol, *words]

    with pytest.raises(CommandError):
        run("candles", *words)


def test_alerts_are_listed_by_state_and_account(
    market: Market, alice: TradingAccount, bob: TradingAccount, trade: Trading
) -> None:
    fired, waits = (
        place_alert(alert_wanted(market, account, price), actor=ACTOR, now=NOW).alert
        for account, price in ((alice, 50000), (bob, 51000))
    )
    trade(50000)
    follow(now=NOW)

    def listed(*words: str) -> list[str]:
        return [row["id"] for row in answer("alerts", *words)["alerts"]]

    assert listed() == [str(waits.pk), str(fired.pk)]
    assert listed("--state", "fired", "--instrument", market.symbol) == [str(fired.pk)]
    assert listed("--account", bob.account_number) == [str(waits.pk)]
    assert "fired" in run("alerts", "--limit", "5")
