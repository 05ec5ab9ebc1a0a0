"""Fixtures every test may use, and the line between ordinary tests and those of the running platform."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection, connections
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright
from pytest_django import DjangoDbBlocker

from accounts.services import rates
from tests.browser import ARGUMENTS, chromium
from tests.emptying import empty_filled_tables
from tests.factories import WORKER
from tests.running import Platform
from tests.servers import platform_key, wants_platform

TransactionTestCase._fixture_teardown = empty_filled_tables  # type: ignore[attr-defined]

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


_HERE = Path(__file__).parent
#: Where the live tests are, and no others.
_LIVE = frozenset({"clients", "live", "screens"})


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import only what this run is for; what is named on the command line is imported all the same.

    Each worker took in the clients of other venues, and the live run thousands of tests, to leave them out.
    """
    if collection_path.parent == _HERE and (collection_path.name in _LIVE) != wants_platform(config):
        return True
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Raise UsageError of a live test elsewhere, and of any other in their places: neither would ever run."""
    is_live = item.get_closest_marker("live") is not None
    if (item.path.relative_to(_HERE).parts[0] in _LIVE) != is_live:
        raise pytest.UsageError(f"{item.nodeid}: the tests in {', '.join(sorted(_LIVE))} are the live ones")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the live tests unless they were asked for: they need the platform that `-m live` starts."""
    if wants_platform(config):
        return
    live = [item for item in items if item.get_closest_marker("live")]
    if live:
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if item not in live]


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what is loaded by now, and look less often at what tests make.

    Thousands of tests and all modules stay to the end: looking through them took a sixth of the run.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Number accounts apart in parallel runs; close the reader's connection at the end, before the drop.

    Parallel runs have a database each but share Valkey, whose channels are named by account and shard.
    """
    # None was made where no test asks for one.
    if connection.settings_dict["NAME"].startswith(TEST_DATABASE_PREFIX):
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("SELECT setval('accounts_tradingaccount_id_seq', %s)", [1 + 10_000_000 * WORKER])
    yield
    with django_db_blocker.unblock():
        connections["readonly"].close()


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[Platform]:
    """The platform that runs beside the live tests; they see its database through the ORM, as it is."""
    with django_db_blocker.unblock():
        yield request.config.stash[platform_key]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium for the whole run; each test opens a context of its own in it."""
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        # playwright keeps an event loop in this thread, which Django would take for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        running = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def tiers_known(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiers were just read and stay known: how many queries a request asks does not hang on the clock."""
    monkeypatch.setattr(rates, "_fresh_until", 0.0)
    rates.allowance(None)
    monkeypatch.setattr(rates, "_fresh_until", float("inf"))
