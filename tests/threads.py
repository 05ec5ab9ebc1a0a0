"""Other connections to the database: each call here runs in a thread of its own and closes what it opened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from django.db import connection, connections

from tests.tradeplatform.supervisor.waiting import wait_for

T = TypeVar("T")

PATIENCE = 30.0


def elsewhere(work: Callable[[], T]) -> T:
    """The result of `work`, done on another connection while the caller waits."""
    return start_elsewhere(work).result(timeout=PATIENCE)


def start_elsewhere(work: Callable[[], T]) -> Future[T]:
    """Start `work` on another connection and do not wait for it."""
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            found.set_exception(error)
        finally:
            connections.close_all()

    threading.Thread(target=run, daemon=True).start()
    return found


def all_at_once(works: Sequence[Callable[[], T]], *, threads: int = 8) -> list[T | Exception]:
    """Do all of them on `threads` connections; results, or the exceptions they raised, in the same order."""
    ready = threading.Barrier(threads)

    def run(mine: Sequence[tuple[int, Callable[[], T]]]) -> list[tuple[int, T | Exception]]:
        results: list[tuple[int, T | Exception]] = []
        try:
            ready.wait(PATIENCE)
            for index, work in mine:
                try:
                    results.append((index, work()))
                except Exception as error:  # noqa: BLE001 - the caller looks at it
                    results.append((index, error))
        finally:
            connections.close_all()
        return results

    numbered = list(enumerate(works))
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(run, [numbered[number::threads] for number in range(threads)]))
    return [
        result for _, result in sorted((pair for part in parts for pair in part), key=lambda pair: pair[0])
    ]


def wait_for_a_lock(waiting: int = 1) -> None:
    """Return when so many other connections wait for a lock."""

    def count() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            return bool(cursor.fetchone()[0] >= waiting)

    wait_for(lambda: elsewhere(count), "others to wait for a lock")
