"""Changes partitions: apply a plan, detach by hand. Two may run at once: the second finds nothing to do."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import count
from typing import Any, cast

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, IntegrityError, OperationalError, connections, transaction
from psycopg.errors import LockNotAvailable
from psycopg.sql import SQL, Composable, Identifier, Literal

from django_partition import catalog
from django_partition.errors import PartitionLockedError, PartitionRefusedError, PlanChangedError
from django_partition.models import PartitionedModel, column_of
from django_partition.planning import Action, Create, Partition, Span, Tune, label, plan


def today_utc() -> date:
    """The current UTC date: the only clock the package reads."""
    return datetime.now(UTC).date()


def make_plan(
    model: type[PartitionedModel], *, today: date | None = None, using: str = DEFAULT_DB_ALIAS
) -> list[Action]:
    """What `apply_plan` would do now. Changes nothing, takes no lock."""
    return _plan_for(model, catalog.read(model, using), today, using)


def apply_plan(
    model: type[PartitionedModel],
    *,
    expected: list[Action] | None = None,
    today: date | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> list[Action]:
    """Bring one table to its policy, in one transaction, and return what was done.

    Creating attaches with a lock that lets reads and writes of other partitions go on; storage parameters are
    set beside both. Moving rows out of the DEFAULT partition, and detaching, lock the whole table until the
    end. With `expected` nothing but that plan is applied. Raises PartitionLockedError, PlanChangedError.
    """
    with exclusive(model._meta.db_table, using) as ddl:
        table = catalog.read(model, using)
        names = {each.lower: each.name for each in table.partitions}
        actions = _plan_for(model, table, today, using)
        if expected not in (None, actions):
            raise PlanChangedError(f"The plan for {table.name} has changed meanwhile: nothing was done.")
        for action in actions:
            if isinstance(action, Create):
                names[action.lower] = _create(ddl, model, table, action)
            elif isinstance(action, Tune):
                _store(ddl, names[action.lower], model.partitioning.storage)
            else:
                _detach(ddl, table.name, names[action.lower], action)
    return actions


def apply_all(
    models: Iterable[type[PartitionedModel]] | None = None,
    *,
    today: date | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> dict[str, list[Action]]:
    """`apply_plan` for these (None: all) partitioned models, each in its own transaction; by table name.

    A table that fails does not stop the others: raises ExceptionGroup of all failures at the end.
    """
    done, failures = {}, []
    for model in catalog.partitioned_models() if models is None else models:
        try:
            done[model._meta.db_table] = apply_plan(model, today=today, using=using)
        except Exception as failure:  # noqa: BLE001 - raised below, with the others
            failure.add_note(f"while partitioning {model._meta.db_table}")
            failures.append(failure)
    if failures:
        raise ExceptionGroup("Some tables could not be partitioned", failures)
    return done


def detach(
    model: type[PartitionedModel], *, name: str, today: date | None = None, using: str = DEFAULT_DB_ALIAS
) -> Partition:
    """Take one partition, whose period is over, out of its table; it stays as a table, to be archived.

    Triggers of the parent no longer guard it. Raises PartitionRefusedError, PartitionLockedError.
    """
    with exclusive(model._meta.db_table, using) as ddl:
        partition = find_finished(model, name=name, today=today, using=using)
        _detach(ddl, model._meta.db_table, name, partition)
    return partition


def find_finished(
    model: type[PartitionedModel], *, name: str, today: date | None = None, using: str = DEFAULT_DB_ALIAS
) -> Partition:
    """The attached partition `name`, whose period is over. Raises PartitionRefusedError."""
    table = catalog.read(model, using)
    partition = next((each for each in table.partitions if each.name == name), None)
    if partition is None:
        raise PartitionRefusedError(f"{name} is not a partition of {table.name} with bounds.")
    if partition.upper.date() > (today or today_utc()):
        raise PartitionRefusedError(f"{name} ends {partition.upper:%Y-%m-%d}: its period is not over.")
    return partition


class Ddl:
    """Runs statements with names and bounds composed in, as PostgreSQL takes no parameters in DDL."""

    def __init__(self, cursor: Any, using: str) -> None:
        self.cursor = cursor
        self.using = using

    def __call__(self, statement: str, *names: str, **values: Any) -> None:
        """Names fill {} as identifiers; values fill {name} as literals, or as the SQL they are."""
        parts = {
            key: value if isinstance(value, Composable) else Literal(value) for key, value in values.items()
        }
        self.cursor.execute(SQL(statement).format(*map(Identifier, names), **parts))


@contextmanager
def exclusive(table: str, using: str) -> Iterator[Ddl]:
    """One transaction, alone on this table among all runs of this package, waiting for no lock too long.

    Who waits for an exclusive lock makes everybody behind it wait too: hence the timeout, by the setting
    PARTITION_LOCK_TIMEOUT_MS (3000). Raises PartitionLockedError.
    """
    timeout = getattr(settings, "PARTITION_LOCK_TIMEOUT_MS", 3000)
    set_timeout = "SELECT set_config('lock_timeout', %s, true)"
    try:
        with transaction.atomic(using), connections[using].cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            (before,) = cursor.fetchone()
            cursor.execute(set_timeout, [f"{timeout}ms"])
            lock = f"django_partition:{table}"
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
            yield Ddl(cursor, using)
            cursor.execute(set_timeout, [before])
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise PartitionLockedError(
                f"{table} is in use: a lock was not granted in {timeout} ms."
            ) from error
        raise


def _plan_for(
    model: type[PartitionedModel], table: catalog.Table, today: date | None, using: str
) -> list[Action]:
    waiting = catalog.waiting(model, table, using)
    return plan(model.partitioning, table.partitions, today or today_utc(), waiting)


def _create(ddl: Ddl, model: type[PartitionedModel], table: catalog.Table, action: Create) -> str:
    """Build the partition as a table, then attach it: CREATE ... PARTITION OF would lock everybody out."""
    name = _free_name(ddl, f"{table.name}_{label(action)}")
    ddl("CREATE TABLE {} (LIKE {} INCLUDING ALL)", name, table.name)
    _store(ddl, name, model.partitioning.storage)
    if action.moves_rows or not _attached_empty(ddl, table.name, name, action):
        _move_rows(ddl, model, table, name, action)
    return name


def _store(ddl: Ddl, name: str, storage: Mapping[str, str]) -> None:
    if storage:
        each = [SQL("{} = {}").format(Identifier(key), Literal(value)) for key, value in storage.items()]
        ddl("ALTER TABLE {} SET ({storage})", name, storage=SQL(", ").join(each))


def _attached_empty(ddl: Ddl, table: str, name: str, span: Span) -> bool:
    """Attach unless a row of this range has reached the DEFAULT partition since the plan was made."""
    try:
        with transaction.atomic(ddl.using):
            _attach(ddl, table, name, span)
    except IntegrityError:
        return False
    return True


def _move_rows(ddl: Ddl, model: type[PartitionedModel], table: catalog.Table, name: str, span: Span) -> None:
    """Attach `name` with the rows of its range that wait in the DEFAULT partition.

    An append-only trigger of the parent refuses DELETE in its partitions. While detached, the DEFAULT
    partition has no such trigger; and the rows enter `name` before it is attached, so no INSERT trigger
    sees them twice.
    """
    default = cast("Partition", table.default).name  # there is one: rows wait in it
    ddl("ALTER TABLE {} DETACH PARTITION {}", table.name, default)
    ddl(
        "WITH moved AS (DELETE FROM {} WHERE {key} >= {lower} AND {key} < {upper} RETURNING {columns})"
        " INSERT INTO {} ({columns}) SELECT {columns} FROM moved",
        default,
        name,
        key=Identifier(column_of(model, model.partitioning.key)),
        columns=SQL(", ").join([Identifier(each) for each in catalog.columns(table.name, ddl.using)]),
        lower=span.lower,
        upper=span.upper,
    )
    _attach(ddl, table.name, name, span)
    ddl("ALTER TABLE {} ATTACH PARTITION {} DEFAULT", table.name, default)


def _attach(ddl: Ddl, table: str, name: str, span: Span) -> None:
    statement = "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({lower}) TO ({upper})"
    ddl(statement, table, name, lower=span.lower, upper=span.upper)


def _detach(ddl: Ddl, table: str, name: str, span: Span) -> None:
    ddl("ALTER TABLE {} DETACH PARTITION {}", table, name)
    origin = {"parent": table, "lower": span.lower.isoformat(), "upper": span.upper.isoformat()}
    ddl("COMMENT ON TABLE {} IS {mark}", name, mark=catalog.MARK + json.dumps(origin))


def _free_name(ddl: Ddl, base: str) -> str:
    """`base`, with a number after it when a detached table still has that name."""
    name, numbers = base, count(2)
    while True:
        ddl.cursor.execute("SELECT to_regclass(quote_ident(%s)) IS NULL", [name])
        if ddl.cursor.fetchone()[0]:
            return name
        name = f"{base}_{next(numbers)}"
