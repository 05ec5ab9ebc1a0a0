"""The wire to PostgreSQL is cut at every message of a scenario: what was acknowledged is there, once.

WIRE_SEED says which messages are cut before and which after, and where the process is killed as well;
`python -m tests.simulation.wire_sweep` does all of it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from django.db import connection

from tests.simulation.cutting import Scene, Sweep, acknowledge_too_early
from tests.simulation.wire import Cut, Moment, Wire
from tradeplatform.common.invariants import check_all

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "readonly"]),
    pytest.mark.timeout(0),
]

SEED = int(os.environ.get("WIRE_SEED", "0"))
KILL_EVERY = 5


@pytest.fixture
def wire() -> Iterator[Wire]:
    """To the tests' server."""
    settings = connection.settings_dict
    wire = Wire((settings["HOST"], int(settings["PORT"] or 5432)))
    yield wire
    wire.close()


def connect(wire: Wire) -> psycopg.Connection[tuple[int]]:
    """A connection over it."""
    settings = connection.settings_dict
    return psycopg.connect(
        host="127.0.0.1",
        port=wire.port,
        dbname=settings["NAME"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        sslmode="disable",
        gssencmode="disable",
        autocommit=True,
    )


@pytest.mark.parametrize(
    ("moment", "written"), [(Moment.BEFORE, False), (Moment.AFTER, True)], ids=["before", "after"]
)
def test_a_query_that_was_forwarded_is_done_and_one_that_was_not_is_not(
    wire: Wire, moment: Moment, written: bool
) -> None:
    """In either case its client sees the same: the connection is gone."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE wire_test")
    query = "SELECT setval('wire_test', 7)"
    wire.arm(None)
    with connect(wire):
        first = len(wire.journal) + 1
    wire.settle()

    wire.arm(Cut(first, moment))
    session = connect(wire)
    with pytest.raises(psycopg.OperationalError):
        session.execute(query)
    assert wire.settle()

    assert wire.journal[-1] == f">Q{query}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_called FROM wire_test")
        assert cursor.fetchone() == (written,)
        cursor.execute("DROP SEQUENCE wire_test")


def test_whatever_message_is_the_last_nothing_is_lost_or_doubled(caplog: pytest.LogCaptureFixture) -> None:
    """Each message is cut before or after, in turn: after one is as before the next."""
    caplog.set_level(logging.ERROR)
    moments = list(Moment)
    with closing(Scene()) as scene:
        sweep = Sweep(scene)
        for at in range(1, sweep.length + 1):
            sweep.strike(at, moments[(at + SEED) % 2])
        for at in range(1 + SEED % KILL_EVERY, sweep.length + 1, KILL_EVERY):
            sweep.strike(at, moments[(at // KILL_EVERY + SEED) % 2], kill=True)

    sys.stdout.write(f"seed {SEED}: {sweep.result}\n")
    assert len(sweep.commits) == 4
    assert sweep.result.cuts > sweep.length
    assert (sweep.result.lost, sweep.result.doubled, sweep.result.different) == ([], [], [])
    assert [finding for finding in check_all() if not finding.holds] == []


def test_the_sweep_finds_what_is_acknowledged_before_it_is_committed() -> None:
    with closing(Scene(acknowledge_too_early)) as scene:
        sweep = Sweep(scene)
        committing = sweep.commits[0]

        sweep.strike(committing, Moment.BEFORE)
        sweep.strike(committing, Moment.BEFORE, kill=True)
        lost = len(sweep.result.lost)
        sweep.strike(committing, Moment.AFTER)

    # Three orders and a cancel, twice.
    assert lost == len(sweep.result.lost) == 8
    assert not sweep.result.holds
