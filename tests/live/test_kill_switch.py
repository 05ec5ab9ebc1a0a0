"""The kill switch at the running platform: what it needs, how long it takes, and whom it survives.

Each test stops an instrument of its own, so that the platform goes on for the others.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from orders.models import Order, OrderStatus, Shard, Side, Trade
from risk.models import KillScope, KillSwitch
from tests.factories import Market, fund, make_account, make_market, stored
from tests.orders.killing import effect_of, press
from tests.running import Platform, private_environment
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.invariants import check_all
from tradeplatform.config import BASE_DIR
from tradeplatform.supervisor.processes import read_records

pytestmark = pytest.mark.live

PATIENCE = 40.0
#: What is stated is a second; a machine that is busy with other tests gets more.
MOST_MS = 5_000


@pytest.fixture
def market(platform: Platform) -> Market:
    """A fresh instrument of shard 1."""
    return make_market(shard=Shard.objects.get(id=1))


def trader(market: Market) -> TradingAccount:
    account = make_account(currency=market.instrument.quote)
    fund(account, market.instrument.base, 100, now=timezone.now())
    fund(account, market.instrument.quote, 10_000_000, now=timezone.now())
    return account


def send(market: Market, account: TradingAccount, side: Side, price: int) -> int:
    return market.send(market.request(account, side, 1, price), now=timezone.now()).order_id


def pid(platform: Platform, name: str) -> int:
    """The process that runs a child of the supervisor now."""
    return next(found.pid for found in read_records(platform.var_dir) if found.name == name)


@contextmanager
def frozen(platform: Platform, *names: str) -> Iterator[list[psutil.Process]]:
    """These processes answer nobody for a while."""
    processes = [psutil.Process(pid(platform, name)) for name in names]
    try:
        for process in processes:
            process.suspend()
        yield processes
    finally:
        for process in processes:
            if process.is_running():
                process.resume()


def manage(platform: Platform, *arguments: str) -> str:
    """What a management command of this platform prints."""
    environment = private_environment() | platform.environment
    environment["TRADEPLATFORM_VAR_DIR"] = str(platform.var_dir)
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


def test_the_command_stops_in_time_while_valkey_the_web_and_every_worker_are_frozen(
    platform: Platform, market: Market
) -> None:
    buyer, seller = trader(market), trader(market)
    resting = send(market, buyer, Side.BUY, 50_000)
    wait_for(lambda: stored(resting).status == OrderStatus.OPEN, "the bid to rest", seconds=PATIENCE)

    with frozen(platform, "valkey", "web", "sockets", "worker", "beat", "shard-1", "shard-2"):
        crossing = send(market, seller, Side.SELL, 50_000)
        said = json.loads(
            manage(platform, "kill", "--instrument", market.symbol, "--reason", "drill", "--json")
        )
        assert stored(resting).reason == "killed"
        with pytest.raises(Refusal) as caught:
            send(market, seller, Side.SELL, 50_000)
        assert caught.value.code == Code.KILLED

    print(f"press to last effect: {said['press_to_last_effect_ms']} ms")  # noqa: T201 - a figure of the run
    assert 0 < said["press_to_last_effect_ms"] < MOST_MS
    wait_for(lambda: stored(crossing).status == OrderStatus.REJECTED, "the backlog to die", seconds=PATIENCE)
    assert not Trade.objects.filter(instrument=market.instrument).exists()
    assert [finding for finding in check_all() if not finding.holds] == []


def test_a_stop_that_was_pressed_survives_the_death_of_the_worker_that_had_to_apply_it(
    platform: Platform, market: Market
) -> None:
    buyer, seller = trader(market), trader(market)
    with frozen(platform, "shard-1") as (worker,):
        orders = [send(market, buyer, Side.BUY, 50_000), send(market, seller, Side.SELL, 50_000)]
        pressed = press(KillScope.INSTRUMENT, market.symbol)
        assert effect_of(pressed, 1).position is None
        worker.send_signal(signal.SIGKILL)
        worker.wait(PATIENCE)

    wait_for(
        lambda: not Order.objects.live().filter(instrument=market.instrument).exists(),
        "the next worker to refuse them",
        seconds=PATIENCE,
    )

    assert {(stored(n).status, stored(n).reason) for n in orders} == {(OrderStatus.REJECTED, "killed")}
    assert effect_of(pressed, 1).position
    assert not Trade.objects.filter(instrument=market.instrument).exists()
    assert KillSwitch.objects.get(id=pressed.act.switch_id).stage == "stopped"
    assert [finding for finding in check_all() if not finding.holds] == []
