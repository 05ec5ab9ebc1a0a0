"""A committed market with traders in it, and the tidying up after threads that the feed reads in."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from urllib.parse import urlsplit

import psutil
import pytest
from django.db import connection, connections

from accounts.models import TradingAccount
from orders.feed.lanes import LANES
from tests.factories import Market, make_market
from tests.feed.talk import Feed, eventually
from tradeplatform.config import load_config
from tradeplatform.supervisor.program import last_words, spawn
from tradeplatform.supervisor.roles import Roles
from tradeplatform.supervisor.valkey import free_port

#: A server may start on a machine that is busy with other tests.
_START_SECONDS = 120.0


@pytest.fixture(scope="package", autouse=True)
def _threads_leave_no_connection(django_db_setup: None) -> Iterator[None]:
    """The feed's threads keep their connections, and a database in use cannot be dropped."""
    yield
    for lane in LANES:
        together = threading.Barrier(lane.threads)

        def close(together: threading.Barrier = together) -> None:
            together.wait(10)
            connections.close_all()

        for done in [lane.executor.submit(close) for _ in range(lane.threads)]:
            done.result(10)


@pytest.fixture
def market(transactional_db: None) -> Market:
    """An instrument around 50000, committed."""
    return make_market()


@pytest.fixture
def alice(market: Market) -> TradingAccount:
    """A trader with 100 of the base asset and 10,000,000 of the quote asset."""
    return market.trader()


@pytest.fixture
def bob(market: Market) -> TradingAccount:
    """Another one."""
    return market.trader()


@pytest.fixture(scope="package")
def serve(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Feed]]:
    """Start a real Daphne as the platform does, on the test database, with more arguments if given."""
    started: list[Popen[bytes]] = []

    def start(*arguments: str, application: str = "tradeplatform.asgi:application") -> Feed:
        config = load_config().model_copy(update={"ws_port": free_port()})
        program = Roles(config, {"DATABASE_URL": _test_database_url()}).sockets()
        log = tmp_path_factory.mktemp("feed") / "sockets.log"
        command = program.argv[:-1]
        child = spawn(replace(program, argv=[*command, *arguments, application]), log, follow_parent=True)
        started.append(child)
        feed = Feed(f"ws://127.0.0.1:{config.ws_port}/ws/v1", psutil.Process(child.pid), log)
        eventually(lambda: _answers(feed, child.poll, log), seconds=_START_SECONDS)
        return feed

    yield start
    for child in started:
        child.send_signal(signal.SIGTERM)
    for child in started:
        try:
            child.wait(timeout=10)
        except TimeoutExpired:
            child.kill()
            child.wait()
            pytest.fail("Daphne did not stop when asked to")


@pytest.fixture(scope="package")
def feed(serve: Callable[..., Feed]) -> Feed:
    """A real socket server for all tests."""
    return serve()


def _test_database_url() -> str:
    url = load_config().database_url
    assert url
    return urlsplit(url.get_secret_value())._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


def _answers(feed: Feed, code: Callable[[], int | None], log: Path) -> bool:
    assert code() is None, last_words(log)
    try:
        with feed.socket():
            return True
    except OSError:
        return False
