"""What must always hold, as checks that can be run at any time against a live or a restored database.

Each app declares its own in `<app>/invariants.py`. A check only reads; all of them run in one snapshot,
under the read-only role, so that a busy platform is seen at one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from django.db import connections, transaction
from django.utils.module_loading import autodiscover_modules

READ_ONLY = "readonly"
_SAMPLE = 10
_PIECE = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: how much was examined, and the first few breaches with their rows."""

    code: str
    title: str
    examined: int
    breaches: Sequence[dict[str, Any]]

    @property
    def holds(self) -> bool:
        """Whether nothing breaks it."""
        return not self.breaches

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "holds": self.holds}


@dataclass(frozen=True, slots=True)
class Invariant:
    """A named rule and the function that looks for breaches of it."""

    code: str
    title: str
    check: Callable[[], tuple[int, Sequence[dict[str, Any]]]]


_registry: dict[str, Invariant] = {}


def invariant(
    code: str, title: str
) -> Callable[[Callable[[], tuple[int, Sequence[dict[str, Any]]]]], Invariant]:
    """Register a check under its stable code. It returns (rows examined, breaches)."""

    def register(check: Callable[[], tuple[int, Sequence[dict[str, Any]]]]) -> Invariant:
        if code in _registry:
            raise ValueError(f"invariant {code} is declared twice")
        _registry[code] = Invariant(code, title, check)
        return _registry[code]

    return register


def sql_invariant(code: str, title: str, *, examined: str, breaches: str) -> Invariant:
    """Register a rule whose breaches are the rows of one query; `examined` counts what was looked at."""

    def check() -> tuple[int, Sequence[dict[str, Any]]]:
        (count,) = read(examined)[0].values()
        # Mostly there is none, so all is read: with a bare LIMIT the plan would be to find the first soon.
        found = f"WITH found AS MATERIALIZED ({breaches}) SELECT * FROM found LIMIT {_SAMPLE}"  # noqa: S608
        return count, read(found)

    return invariant(code, title)(check)


def read(sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
    """Rows of a query on the read-only connection, as dictionaries."""
    with connections[READ_ONLY].cursor() as cursor:
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def rows_of(sql: str, params: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of a query on the read-only connection one after the other, however many; few are in memory."""
    with connections[READ_ONLY].chunked_cursor() as cursor:
        cursor.execute(sql, params)
        yield from chain.from_iterable(iter(lambda: cursor.fetchmany(_PIECE), []))


def check_all(*, only: Collection[str] = (), skip: Collection[str] = ()) -> list[Finding]:
    """Run the checks, in one read-only snapshot; unknown codes raise KeyError."""
    chosen = [
        found for found in all_invariants() if (not only or found.code in only) and found.code not in skip
    ]
    for code in (*only, *skip):
        _registry[code]
    with one_snapshot():
        return list(check_each(chosen))


def all_invariants() -> list[Invariant]:
    """Every rule there is, by code."""
    autodiscover_modules("invariants")
    return [found for _code, found in sorted(_registry.items())]


def check_each(chosen: Iterable[Invariant]) -> Iterator[Finding]:
    """The findings one after the other, as they are made. Call it within `one_snapshot`."""
    for found in chosen:
        examined, breaches = found.check()
        yield Finding(found.code, found.title, examined, breaches)


@contextmanager
def one_snapshot() -> Iterator[None]:
    """What is read within sees one moment, on the read-only connection, without a time-out."""
    with transaction.atomic(using=READ_ONLY):
        read_only_snapshot()
        yield


def read_only_snapshot() -> None:
    """Make the open transaction see one moment and refuse to write, unless a test already holds it open."""
    connection = connections[READ_ONLY]
    if not connection.savepoint_ids:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # The checks read whole tables; a door's time-out is not meant for them.
            cursor.execute("SET LOCAL statement_timeout = 0")
