"""Statements that are sent together: one wait for the answers of several.

On a busy machine the wait for a small statement's answer costs more than the statement: both sides sleep, and
take their turns again. What does not need each other's answers is asked in one go; the server does it in the
order given, each statement with what was committed until then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast, overload

from django.db import connection
from django.db.models import Field, Model
from tradeengine import pack_rows

from tradeplatform.common.db import NEXT_IDS, array, copy_packed, fetch_each, from_row, select_of, texts

T = TypeVar("T")
M = TypeVar("M", bound=Model)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Statement(Generic[T]):
    """What is asked, and how its rows are read. Types are plain from the text, as for `fetch(prepared=True)`.

    Without `sql` nothing is asked, and `read` is given no rows.
    """

    sql: str
    params: Sequence[Any]
    read: Callable[[Rows], T]

    def run(self) -> T:
        """Ask it alone."""
        (found,) = _run([self])
        return self.read(found)

    def then(self, make: Callable[[T], A]) -> Statement[A]:
        """The same, of whose answer something is made."""
        return Statement(self.sql, self.params, lambda rows: make(self.read(rows)))


def known(value: T) -> Statement[T]:
    """Something for which nobody has to be asked."""
    return Statement("", (), lambda _rows: value)


@overload
def run_each(a: Statement[A], b: Statement[B], /) -> tuple[A, B]: ...
@overload
def run_each(a: Statement[A], b: Statement[B], c: Statement[C], /) -> tuple[A, B, C]: ...
@overload
def run_each(a: Statement[A], b: Statement[B], c: Statement[C], d: Statement[D], /) -> tuple[A, B, C, D]: ...
@overload
def run_each(*statements: Statement[Any]) -> tuple[Any, ...]: ...
def run_each(*statements: Statement[Any]) -> tuple[Any, ...]:
    """Run them in this order and read their answers, with one wait. After one that fails none is run."""
    found = _run(statements)
    return tuple(statement.read(rows) for statement, rows in zip(statements, found, strict=True))


def _run(statements: Sequence[Statement[Any]]) -> list[Rows]:
    asked = [(statement.sql, statement.params) for statement in statements if statement.sql]
    answers = iter(fetch_each(asked) if asked else [])
    return [next(answers) if statement.sql else [] for statement in statements]


def reading(model: type[M], rest: str, params: Sequence[Any]) -> Statement[list[M]]:
    """A model's rows; see `read` of the database helpers."""
    sql = f"{select_of(model)} {rest}"
    return Statement(sql, params, lambda rows: [found for row in rows for found in from_row(row, model)])


def numbers(sequence: str, count: int) -> Statement[list[int]]:
    """So many ids of a sequence, in increasing order."""
    return Statement(NEXT_IDS, [sequence, count], lambda rows: list(rows[0][0] or []))


#: By the letters with which rows are packed (engine/src/py.rs): the type of a column, and how a list of its
#: values is told.
_KINDS: dict[str, tuple[str, Callable[[Iterable[Any]], Any]]] = {
    "b": ("boolean", array),
    "h": ("smallint", array),
    "i": ("integer", array),
    "q": ("bigint", array),
    "n": ("numeric", array),
    "t": ("timestamptz", array),
    "s": ("text", texts),
    "j": ("jsonb", texts),
}


#: With more rows than that, two waits for a COPY cost less than it saves.
_FEW = 64


@dataclass(frozen=True, slots=True)
class Insertion:
    """Rows for a table. `table` and `columns` are names from our own code, `types` as for `pack_rows`."""

    table: str
    columns: Sequence[str]
    types: str
    rows: Sequence[tuple[Any, ...]]

    def copy(self) -> None:
        """Insert them as fast as it goes for many."""
        if self.rows:
            copy_packed(self.table, self.columns, pack_rows(self.types, self.rows))

    def statement(self) -> Statement[None]:
        """The same for a few."""
        if not self.rows:
            return known(None)
        kinds = [_KINDS[letter] for letter in self.types]
        values = ", ".join(f"%s::{kind}[]" for kind, _told in kinds)
        sql = f"INSERT INTO {self.table} ({', '.join(self.columns)}) SELECT * FROM unnest({values})"  # noqa: S608
        told = [how(column) for (_kind, how), column in zip(kinds, zip(*self.rows, strict=True), strict=True)]
        return Statement(sql, told, lambda _rows: None)


def creating(rows: Sequence[Model]) -> Statement[None]:
    """Store a few new rows of one model. An id that they have not is given to them by the database."""
    if not rows:
        return known(None)
    fields = [
        field
        for field in rows[0]._meta.concrete_fields
        if not (field.generated or (field.primary_key and field.value_from_object(rows[0]) is None))
    ]
    kinds = [_kind_of(field) for field in fields]
    values = ", ".join(f"%s::{kind}[]" for kind in kinds)
    columns = ", ".join(str(field.column) for field in fields)
    sql = f"INSERT INTO {rows[0]._meta.db_table} ({columns}) SELECT * FROM unnest({values})"  # noqa: S608
    told = [
        _told(field, kind, [getattr(row, field.attname) for row in rows])
        for field, kind in zip(fields, kinds, strict=True)
    ]
    return Statement(sql, told, lambda _rows: None)


def _kind_of(field: Field[Any, Any]) -> str:
    """The type by which its values are sent. What is too long for its column must not be cut by a cast."""
    kind = (field.db_type(connection) or "").partition("(")[0]
    return "text" if kind == "varchar" else kind


def _told(field: Field[Any, Any], kind: str, values: list[Any]) -> Any:
    if kind == "jsonb":
        return texts(json.dumps(value, cls=getattr(field, "encoder", None)) for value in values)
    if kind in {"text", "inet"}:
        return texts(None if value is None else str(value) for value in values)
    return array(values)


def insert_all(insertions: Sequence[Insertion], then: Statement[T], *more: Statement[None]) -> T:
    """Insert rows in this order, and do what comes `then`; with one wait for all where there are few."""
    few: list[Statement[None]] = []
    if max((len(one.rows) for one in insertions), default=0) <= _FEW:
        few = [one.statement() for one in insertions]
    else:
        for one in insertions:
            one.copy()
    return cast("T", run_each(*few, then, *more)[len(few)])
