"""Small database helpers: insist on a transaction, fetch and write many rows in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import Any, TypeVar, overload

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model, QuerySet
from psycopg import Cursor
from psycopg._queries import PostgresQuery
from psycopg.abc import Query

T = TypeVar("T")
M = TypeVar("M", bound=Model)
N = TypeVar("N", bound=Model)
K = TypeVar("K", bound=Model)


def require_transaction() -> None:
    """Raise RuntimeError unless a transaction is open: what follows must commit with its caller."""
    if not connection.in_atomic_block:
        raise RuntimeError("This must be called inside a transaction.")


def run_alone(name: str) -> None:
    """Wait for, then hold until the transaction ends, the lock of the procedure called `name`."""
    require_transaction()
    execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])


def release_connection() -> None:
    """Give a pooled connection back while the caller waits; its next query takes one again."""
    if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
        connection.close()


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Let all statements see the same commits, and write nothing."""
    with transaction.atomic():
        execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def rehearsal() -> Iterator[None]:
    """Do it and take it back: what it would refuse is refused, and nothing comes of it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def only(rows: QuerySet[Any, T]) -> T | None:
    """The row of a query that has one at most. `first` would have it sorted, which costs more."""
    return next(iter(rows[:1]), None)


def read(model: type[M], rest: str, params: Sequence[Any] = ()) -> list[M]:
    """A model's rows by a statement that is planned once, where a queryset costs more than running it does.

    `rest` is what follows the name of the table, of our own words. For models whose columns need no
    conversion, which all but JSON are.
    """
    return [found for (found,) in _read([model], rest, params)]


@overload
def read_joined(models: tuple[type[M], type[N]], rest: str, params: Sequence[Any]) -> list[tuple[M, N]]: ...
@overload
def read_joined(
    models: tuple[type[M], type[N], type[K]], rest: str, params: Sequence[Any]
) -> list[tuple[M, N, K]]: ...
def read_joined(models: tuple[type[Any], ...], rest: str, params: Sequence[Any]) -> list[Any]:
    """As `read`, of several models. `rest` begins with how they are joined: the last two, then the first."""
    return [tuple(found) for found in _read(models, rest, params)]


def _read(models: Sequence[type[Model]], rest: str, params: Sequence[Any]) -> Iterator[list[Any]]:
    rows = fetch(f"{select_of(*models)} {rest}", params, prepared=True)
    return (from_row(row, *models) for row in rows)


def select_of(*models: type[Model]) -> str:
    """The beginning of a statement that reads these models, joined by what follows it."""
    columns = ", ".join(_selected(model)[1] for model in models)
    tables = " JOIN ".join(model._meta.db_table for model in models)
    return f"SELECT {columns} FROM {tables}"  # noqa: S608


def from_row(row: Sequence[Any], *models: type[Model]) -> list[Any]:
    """The models of one row of it."""
    values = iter(row)
    found: list[Any] = []
    for model in models:
        names, _columns = _selected(model)
        found.append(model.from_db(DEFAULT_DB_ALIAS, names, list(islice(values, len(names)))))
    return found


@cache
def _selected(model: type[Model]) -> tuple[list[str], str]:
    """Names of the fields, and their columns as a select list. Raises TypeError where one needs more."""
    fields, table = model._meta.concrete_fields, model._meta.db_table
    if unfit := [field.name for field in fields if field.get_db_converters(connection)]:
        raise TypeError(f"{model.__name__} is read by a queryset: {', '.join(unfit)}")
    return [field.attname for field in fields], ", ".join(f"{table}.{field.column}" for field in fields)


def fetch(
    sql: str,
    params: Sequence[Any] | Mapping[str, Any] = (),
    *,
    using: str = DEFAULT_DB_ALIAS,
    prepared: bool = False,
) -> list[tuple[Any, ...]]:
    """Run a query and return all rows.

    `prepared`: the server plans it once for a connection, which over a partitioned table takes longer than
    running it does. Its parameters go to the server as they are, so their types must be plain from the text.
    """
    with _cursor(using, prepared=prepared) as cursor:
        cursor.execute(sql, _told(params) if prepared else params)
        return list(cursor.fetchall())


def fetch_each(asked: Sequence[tuple[str, Sequence[Any]]]) -> list[list[tuple[Any, ...]]]:
    """As `fetch(prepared=True)` of each, in this order and with one wait for all; no rows where it has none.

    After one that fails none is run, and its error is raised.
    """
    if len(asked) == 1:
        ((sql, params),) = asked
        with _cursor(DEFAULT_DB_ALIAS, prepared=True) as cursor:
            cursor.execute(sql, _told(params))
            return [_rows(cursor)]
    with connection.wrap_database_errors:
        connection.ensure_connection()
        with connection.connection.pipeline():
            cursors = [_cursor(DEFAULT_DB_ALIAS, prepared=True) for _ in asked]
            for cursor, (sql, params) in zip(cursors, asked, strict=True):
                cursor.execute(sql, _told(params))
        return [_rows(cursor) for cursor in cursors]


def _rows(cursor: CursorWrapper) -> list[tuple[Any, ...]]:
    return list(cursor.fetchall()) if cursor.description else []


class _Preparing(Cursor[Any]):
    """Prepares what it has sent often enough: PREPARE_AFTER in the settings of the database."""

    def _convert_query(self, query: Query, params: Any = None) -> PostgresQuery:
        """As it does, and remember the statement for whoever lists those that were run."""
        self._query = super()._convert_query(query, params)
        return self._query


def _cursor(using: str, *, prepared: bool) -> CursorWrapper:
    """A cursor of Django's, which writes parameters into the statement unless it is `prepared`."""
    found: Any = connections[using]
    if prepared:
        with found.wrap_database_errors:
            found.ensure_connection()
            cursor: CursorWrapper = found._prepare_cursor(_Preparing(found.connection))  # noqa: SLF001
    else:
        cursor = found.cursor()
    return cursor


@contextmanager
def patient_for(milliseconds: int) -> Iterator[None]:
    """Let this session give up sooner than it is used to, where somebody else holds a row."""
    connection.ensure_connection()
    session = connection.connection
    if usual := session.in_each_transaction:
        # The session is ours for a transaction only, which is told so as it begins.
        session.in_each_transaction = {**usual, "lock_timeout": milliseconds}
        try:
            yield
        finally:
            session.in_each_transaction = usual
        return
    (before,) = fetch("SELECT current_setting('lock_timeout')")[0]
    execute("SELECT set_config('lock_timeout', %s, false)", [f"{milliseconds}ms"])
    try:
        yield
    finally:
        execute("SELECT set_config('lock_timeout', %s, false)", [before])


def execute(sql: str, params: Sequence[Any] | Mapping[str, Any] = (), *, prepared: bool = False) -> int:
    """Run a statement, as `fetch` does, and return the number of rows it touched."""
    with _cursor(DEFAULT_DB_ALIAS, prepared=prepared) as cursor:
        cursor.execute(sql, _told(params) if prepared else params)
        return int(cursor.rowcount)


#: An array of so many ids of a sequence, in increasing order.
NEXT_IDS = "SELECT array_agg(nextval(%s::text::regclass)) FROM generate_series(1, %s::int)"


def next_ids(sequence: str, count: int) -> list[int]:
    """Take `count` ids from a sequence in one round trip, in increasing order."""
    ((ids,),) = fetch(NEXT_IDS, [sequence, count], prepared=True)
    return list(ids or [])


def array(values: Iterable[object]) -> str:
    """Numbers or moments as the text of an array, for a parameter that is cast, as in `%s::numeric[]`.

    Adapting a list looks for a way to write each of its elements, which costs more than the statement. Not
    for text: it would have to be quoted.
    """
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """The same of any text, as in `%s::text[]`."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def words(values: Iterable[str]) -> str:
    """The same of words of our own, plain letters or nothing at all, as in `%s::text[]`; never of input."""
    return "{" + ",".join([value or '""' for value in values]) + "}"


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows by COPY, the fastest way into a table; constraints, triggers and partitions all apply.

    `table` and `columns` are names from our own code, never from input.
    """
    sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    # Django wraps what its own cursor methods raise; a COPY is psycopg's, and its errors must look the same.
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(sql) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def copying(table: str, columns: Sequence[str], packed: bytes) -> Iterator[None]:
    """Send rows in COPY's binary form; the server takes them in while the block runs, and ends with it.

    The block must leave the connection alone. If it raises, no row was inserted.
    """
    sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.write(packed)
        yield


def copy_packed(table: str, columns: Sequence[str], packed: bytes) -> None:
    """As `copy_rows`, of rows that are in COPY's binary form already: what thousands of rows are worth."""
    with copying(table, columns, packed):
        pass


def _told(params: Sequence[Any] | Mapping[str, Any]) -> Sequence[Any] | Mapping[str, Any]:
    """Parameters of a prepared statement: each list as the text of an array."""
    if isinstance(params, Mapping):
        return {name: _told_list(value) if type(value) is list else value for name, value in params.items()}
    return [_told_list(value) if type(value) is list else value for value in params]


def _told_list(values: list[Any]) -> str:
    first = next((value for value in values if value is not None), None)
    return texts(values) if isinstance(first, str) else array(values)
