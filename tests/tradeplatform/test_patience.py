"""No connection to PostgreSQL waits for ever: a real black hole, a slow statement, a server that hung up."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connection

from tests.feed.talk import eventually
from tests.simulation.faults.link import Link, Way
from tradeplatform.common.postgresql import patience
from tradeplatform.common.postgresql.base import DatabaseWrapper
from tradeplatform.common.postgresql.patience import PatientConnection

pytestmark = pytest.mark.django_db(transaction=True)

#: Far more than it takes to notice, and far less than the kernel's own patience of minutes.
SOON = 60.0


@contextmanager
def link_to_postgresql() -> Iterator[Link]:
    settings_dict = connection.settings_dict
    link = Link((settings_dict["HOST"], int(settings_dict["PORT"])))
    try:
        yield link
    finally:
        link.close()


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    monkeypatch.setattr(patience, "ASK_AFTER", 0.3)
    monkeypatch.setattr(DatabaseWrapper, "_away_until", {})
    with link_to_postgresql() as link:
        yield link
        # The wrappers of an alias share it, and those of the next test have another link.
        pool = DatabaseWrapper._connection_pools.pop(connection.alias, None)
        if pool is not None:
            pool.close()


def wrapper(link: Link, **options: Any) -> DatabaseWrapper:
    """A connection of Django's over the link, not yet opened."""
    found = dict(connection.settings_dict) | {"HOST": "127.0.0.1", "PORT": str(link.port)}
    found["OPTIONS"] = found["OPTIONS"] | options
    return DatabaseWrapper(found, connection.alias)


@pytest.mark.parametrize("way", [Way.TO_SERVER, Way.TO_CLIENT, Way.BOTH])
def test_a_black_hole_in_any_direction_is_noticed(link: Link, way: Way) -> None:
    over = wrapper(link)
    with over.cursor() as cursor:
        cursor.execute("SELECT 1")
        link.hold(way)
        began = time.monotonic()
        with pytest.raises(OperationalError, match="nobody answers there"):
            cursor.execute("SELECT 2")
    assert time.monotonic() - began < SOON
    assert over.connection.closed
    over.close()
    link.mend()
    with over.cursor() as cursor:
        cursor.execute("SELECT 3")
        assert cursor.fetchone() == (3,)
    over.close()


def test_an_attempt_to_connect_that_is_given_up_leaves_nothing_open(link: Link) -> None:
    """It would hold a place of the server's until the garbage is looked through."""
    over = wrapper(link, connect_timeout=1)
    link.hold(Way.BOTH)
    gc.disable()
    try:
        with pytest.raises(OperationalError, match="timeout expired") as refused:
            over.ensure_connection()
        assert refused.value.__traceback__ is not None
        eventually(lambda: len(link.noticed) == 1)
    finally:
        gc.enable()


def test_a_slow_statement_goes_on_while_the_server_lives(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    ask = PatientConnection.is_somebody_there

    def count(found: PatientConnection) -> bool:
        asked.append(ask(found))
        return asked[-1]

    monkeypatch.setattr(PatientConnection, "is_somebody_there", count)
    over = wrapper(link)
    with over.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(2)")
    over.close()
    assert asked
    assert all(asked)


def test_an_answer_may_take_as_long_as_one_may(link: Link) -> None:
    """A proxy that takes connections and holds the old ones answers for a server, and is none."""
    over = wrapper(link, answer_within=1.0)
    with over.cursor() as cursor:
        cursor.execute("SELECT 1")
        link.hold(Way.BOTH, new_too=False)
        with pytest.raises(OperationalError, match="it took too long"):
            cursor.execute("SELECT 2")
    over.close()


def test_of_a_pool_whose_server_hung_up_no_connection_is_handed_out(link: Link) -> None:
    """Each would be somebody's failed request."""
    over = [wrapper(link, pool={"min_size": 0, "max_size": 4, "timeout": 30}) for _ in range(4)]
    for each in over:
        each.settings_dict["CONN_MAX_AGE"] = 0
        each.ensure_connection()
    for each in over:
        each.close()
    link.tear()
    for each in over:
        with each.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
    for each in over:
        each.close()


def test_a_pool_comes_back_when_the_database_does_and_not_minutes_later(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left to itself it would have doubled its pauses for as long as the database was away."""
    over = wrapper(link, connect_timeout=1, pool={"min_size": 0, "max_size": 2, "timeout": 0.5})
    over.settings_dict["CONN_MAX_AGE"] = 0
    link.hold(Way.BOTH)
    for _ in range(8):
        with pytest.raises(OperationalError):
            over.ensure_connection()
        time.sleep(0.2)
    link.mend()
    began = time.monotonic()
    while over.connection is None:
        try:
            over.ensure_connection()
        except OperationalError:
            assert time.monotonic() - began < SOON
    over.close()


def test_of_a_database_that_was_away_nobody_asks_again_at_once(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more callers than threads each would wait for all before it."""
    clock = [1_000.0]
    monkeypatch.setattr("tradeplatform.common.postgresql.base._clock", lambda: clock[0])
    over = wrapper(link, connect_timeout=1, pool={"min_size": 0, "max_size": 2, "timeout": 3})
    over.settings_dict["CONN_MAX_AGE"] = 0
    link.hold(Way.BOTH)
    with pytest.raises(OperationalError, match="couldn't get a connection"):
        over.ensure_connection()
    with pytest.raises(OperationalError, match="away a moment ago"):
        over.ensure_connection()
    clock[0] += 1.5
    link.mend()
    over.ensure_connection()
    assert over.connection is not None
    over.close()


def test_once_nobody_answers_nobody_else_waits(link: Link) -> None:
    """Who queued for a thread, or behind the one that was given up, hears of it at once."""
    over = wrapper(link, connect_timeout=1, pool={"min_size": 0, "max_size": 2, "timeout": 30})
    over.settings_dict["CONN_MAX_AGE"] = 0
    with over.cursor() as cursor:
        link.hold(Way.BOTH)
        with pytest.raises(OperationalError, match="nobody answers there"):
            cursor.execute("SELECT 1")
    over.close()
    with pytest.raises(OperationalError, match="away a moment ago"):
        over.ensure_connection()


def test_who_was_next_in_a_queue_hears_of_it_before_the_first_has_let_go(link: Link) -> None:
    """Both had connections that looked sound; the second would have waited as long as the first, after it."""
    first, second = (
        wrapper(link, connect_timeout=1, pool={"min_size": 0, "max_size": 2, "timeout": 30}) for _ in range(2)
    )
    for each in (first, second):
        each.settings_dict["CONN_MAX_AGE"] = 0
        each.ensure_connection()
    # Back to the pool, from which it would be handed out again.
    second.close()
    link.hold(Way.BOTH)
    with first.cursor() as cursor, pytest.raises(OperationalError, match="nobody answers there"):
        cursor.execute("SELECT 1")
    with pytest.raises(OperationalError, match="away a moment ago"):
        second.ensure_connection()
    first.close()


def test_every_process_connects_so() -> None:
    assert {found["ENGINE"] for found in settings.DATABASES.values()} == {"tradeplatform.common.postgresql"}
    with connection.cursor():
        assert isinstance(connection.connection, PatientConnection)
    assert issubclass(PatientConnection, psycopg.Connection)
