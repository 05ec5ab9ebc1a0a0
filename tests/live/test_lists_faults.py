"""Lists while nobody matches, and when the process that answers them is killed."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack

import psutil
import pytest

from orders.models import Order, OrderIdentity
from tests.live.floor import PATIENCE, Floor, Trader, web_process, worker_of
from tests.live.lines import Line
from tests.running import Platform
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.throttling import clock

pytestmark = pytest.mark.live


def test_while_nobody_matches_all_are_told_when_their_time_is_up(floor: Floor) -> None:
    traders = [floor.trader() for _ in range(4)]
    shard = worker_of(floor)
    shard.suspend()
    try:
        began = clock()
        assert floor.ask(traders[0].place("orders?wait=700")).status == 202
        took = clock() - began
        with ExitStack() as opened:
            lines = [opened.enter_context(Line(floor.platform)) for _ in range(100)]
            for number, line in enumerate(lines):
                line.send(traders[number % 4].place("orders?wait=1500"))
            at_once = floor.ask(traders[0].place("orders?wait=0"))
            answers = [line.answer() for line in lines]
            all_took = clock() - began - took
            for number, line in enumerate(lines):
                line.send(traders[number % 4].place("orders?wait=5000"))
            wait_for(lambda: stored(traders) == 202, "all to wait", seconds=PATIENCE)
            process = web_process(floor.platform)
            process.send_signal(signal.SIGTERM)
            wait_for(lambda: web_has_another(floor.platform, process), "the next process", seconds=PATIENCE)
            shard.resume()
            last = [line.answer() for line in lines]
    finally:
        shard.resume()

    assert 0.7 <= took < 3
    assert (at_once.status, at_once.json["status"]) == (202, "pending")
    assert {answer.status for answer in answers} == {202}
    assert 1.5 <= all_took < 6
    assert {answer.status for answer in last} <= {201, 202}
    assert {answer.header("Connection") for answer in last} == {"close"}
    assert floor.in_lists([answers[0], last[0]]) == [True, True]
    assert floor.ask(traders[0].place()).status == 201
    assert stored(traders) == 203


def stored(traders: list[Trader]) -> int:
    return Order.objects.filter(account__in=[one.account for one in traders]).count()


def web_has_another(platform: Platform, process: psutil.Process) -> bool:
    return (
        not process.is_running()
        or process.status() == psutil.STATUS_ZOMBIE
        or bool([one for one in psutil.Process(process.ppid()).children() if one != process])
    )


def wait_for_more(traders: list[Trader]) -> None:
    """Until a hundred more are stored than now."""
    goal = stored(traders) + 100
    wait_for(lambda: stored(traders) >= goal, "orders to be placed", seconds=PATIENCE)


def test_a_killed_web_process_loses_and_doubles_nothing(floor: Floor) -> None:
    journals: list[dict[str, str | None]] = [{} for _ in range(32)]
    traders = [floor.trader() for _ in range(4)]
    stop = threading.Event()

    def run(number: int) -> None:
        one, journal, line = traders[number % 4], journals[number], None
        while not stop.is_set():
            name = f"kill-{number}-{len(journal)}"
            journal[name] = None
            try:
                line = line or Line(floor.platform)
                answer = line.ask(one.place("orders?wait=0", client_order_id=name))
            except OSError:
                if line:
                    line.socket.close()
                line = None
                continue
            assert answer.status in {201, 202, 503}, answer
            journal[name] = answer.json.get("id")
        if line:
            line.socket.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            wait_for_more(traders)
            web_process(floor.platform).kill()
        wait_for_more(traders)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)

    known = dict(
        OrderIdentity.objects.filter(account__in=[one.account for one in traders]).values_list(
            "client_order_id", "order_id"
        )
    )
    told_of = {name: number for journal in journals for name, number in journal.items()}
    assert {name: str(known.get(name)) for name, number in told_of.items() if number} == {
        name: number for name, number in told_of.items() if number
    }
    assert stored(traders) == len(known)
    assert set(known) <= set(told_of)
    assert any(number is None for number in told_of.values())
