"""/metrics of the running platform: every figure there is, from every process that counts."""

from __future__ import annotations

import re

import httpx
import pytest

from instruments.models import Instrument
from tests.factories import Market
from tests.running import Platform
from tests.system.test_page_of_metrics import PAGE
from tests.tradeplatform.supervisor.waiting import wait_for

pytestmark = pytest.mark.live


def scrape(platform: Platform) -> str:
    return httpx.get(f"{platform.base_url}/metrics", timeout=30).raise_for_status().text


def figure(text: str, name: str) -> float:
    """The sum over the figure's labels."""
    values = re.findall(rf"^tradeplatform_{name}(?:\{{[^}}]*\}})? (\S+)$", text, flags=re.MULTILINE)
    return sum(map(float, values))


def test_every_documented_figure_is_there(platform: Platform) -> None:
    text = scrape(platform)

    documented = re.findall(r"^\| `(\w+)`", PAGE.read_text(), flags=re.MULTILINE)
    missing = [name for name in documented if f"# TYPE {name} " not in text]
    assert documented
    assert missing == []
    assert figure(text, "database_up") == figure(text, "valkey_up") == 1
    assert figure(text, "partition_headroom_days") > 0


def test_what_another_process_counts_is_there_soon(platform: Platform) -> None:
    """The shard's worker applies what this process has accepted."""
    before = figure(scrape(platform), "outcome_seconds_count")
    instrument = Instrument.objects.select_related("base", "quote").get(symbol="BTCUSDT")
    market = Market(instrument, None)  # type: ignore[arg-type]
    market.buy(market.trader(), 1, 49000)

    wait_for(lambda: figure(scrape(platform), "outcome_seconds_count") > before, "the drain to be counted")
    wait_for(lambda: figure(scrape(platform), "pool_size_limit") >= 22, "both doors to tell of their pools")
