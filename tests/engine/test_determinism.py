"""One journal, one answer: whatever runs it, wherever, and however often.

A journal of every order type is recorded once, and replayed from nothing: byte for byte the same events, and
the same states.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tradeengine import Engine
from tradeengine.codec import EventKind, Reason, iter_events

from tests.engine import workload
from tests.engine.records import rebuilt, snapshot

COMMANDS, SEED = 6_000, 17

REPLAY = f"from tests.engine.workload import fingerprint; fingerprint({COMMANDS}, seed={SEED})"


@pytest.fixture(scope="module")
def journal() -> list[bytes]:
    return workload.commands(COMMANDS, seed=SEED)


@pytest.fixture(scope="module")
def answer(journal: list[bytes]) -> tuple[bytes, dict[int, tuple[object, ...]]]:
    """The events, and everything that can be read of the books in the end."""
    engine = workload.engine()
    events = engine.apply(b"".join(journal))
    engine.check()
    return events, snapshot(engine)


def replay(journal: list[bytes]) -> tuple[bytes, dict[int, tuple[object, ...]]]:
    engine = workload.engine()
    return engine.apply(b"".join(journal)), snapshot(engine)


def test_the_journal_brings_everything_that_can_happen(answer: tuple[bytes, object]) -> None:
    events = list(iter_events(answer[0]))

    assert {event.kind for event in events} == set(EventKind)
    # What only clients do, or nobody asked for here.
    unheard_of = {
        Reason.UNKNOWN_INSTRUMENT,
        Reason.DUPLICATE_ORDER,
        Reason.NOT_OWNER,
        Reason.DELISTED,
        Reason.MAINTENANCE,
        Reason.KILLED,
        Reason.QUARANTINED,
    }
    assert set(Reason) - {event.reason for event in events} <= unheard_of


@pytest.mark.parametrize(
    "surroundings",
    [
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "2", "TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8"},
        {"PYTHONHASHSEED": "random", "TZ": "America/St_Johns", "PYTHONOPTIMIZE": "1"},
    ],
    ids=lambda surroundings: surroundings["TZ"],
)
def test_another_process_elsewhere_gives_the_same_answer(
    surroundings: dict[str, str], answer: tuple[bytes, dict[int, tuple[object, ...]]]
) -> None:
    output = subprocess.run(
        [sys.executable, "-c", REPLAY],
        env={**os.environ, **surroundings},
        cwd=Path(__file__).parents[2],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout

    events, books = answer
    assert json.loads(output) == {
        "events": hashlib.sha256(events).hexdigest(),
        "states": [books[book][2] for book in workload.BOOKS],
    }


def test_engines_in_many_threads_do_not_disturb_each_other(
    journal: list[bytes], answer: tuple[bytes, dict[int, tuple[object, ...]]]
) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(replay, [journal] * 6))

    assert answers == [answer] * 6


def test_a_replay_with_restarts_gives_the_same_answer(
    journal: list[bytes], answer: tuple[bytes, dict[int, tuple[object, ...]]]
) -> None:
    """A shard that dies after every fifty commands, and goes on from what it had stored."""
    engine: Engine = workload.engine()
    events = []
    for start in range(0, COMMANDS, 50):
        events.append(engine.apply(b"".join(journal[start : start + 50])))
        engine = rebuilt(engine)

    assert (b"".join(events), snapshot(engine)) == answer


def test_reading_a_book_does_not_change_it(
    journal: list[bytes], answer: tuple[bytes, dict[int, tuple[object, ...]]]
) -> None:
    engine = workload.engine()
    events = []
    for start in range(0, COMMANDS, 25):
        events.append(engine.apply(b"".join(journal[start : start + 25])))
        engine.level_changes()
        assert snapshot(engine) == snapshot(engine)
        engine.check()

    assert (b"".join(events), snapshot(engine)) == answer
