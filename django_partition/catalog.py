"""Reads which models are partitioned, and what PostgreSQL's catalog says about their tables."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.apps import AppConfig, apps
from django.db import connections
from psycopg.sql import SQL, Identifier

from django_partition.errors import PartitionRefusedError
from django_partition.models import PartitionedModel, column_of
from django_partition.planning import Partition

MARK = "django_partition "
"""Detached tables carry a comment: this word, then JSON with the parent and the bounds."""

BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

PIECES = r"""
SELECT c.relname,
       (regexp_match(bound, 'FROM \(''([^'']+)''\)'))[1]::timestamptz,
       (regexp_match(bound, 'TO \(''([^'']+)''\)'))[1]::timestamptz,
       pg_total_relation_size(c.oid),
       nullif(c.reltuples, -1)::bigint,
       c.reloptions,
       c.oid = t.partdefid
  FROM pg_partitioned_table t
  LEFT JOIN pg_inherits i ON i.inhparent = t.partrelid
  LEFT JOIN pg_class c ON c.oid = i.inhrelid
  LEFT JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bound ON true
 WHERE t.partrelid = to_regclass(quote_ident(%s))
 ORDER BY 2 NULLS FIRST
"""

DETACHED = """
SELECT c.relname, d.description, pg_total_relation_size(c.oid), nullif(c.reltuples, -1)::bigint
  FROM pg_class c
  JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
 WHERE starts_with(d.description, %s) AND c.relkind = 'r' AND NOT c.relispartition
   AND pg_table_is_visible(c.oid)
 ORDER BY c.relname
"""

COLUMNS = """
SELECT attname
  FROM pg_attribute
 WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
 ORDER BY attnum
"""

# Years that Python cannot hold in every time zone, and infinity, stay in DEFAULT for a person to look at.
WAITING = """
SELECT DISTINCT date_trunc(%s, {key}, 'UTC')
  FROM {table}
 WHERE {key} >= '0002-01-01Z' AND {key} < '9998-01-01Z'
 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Table:
    """One partitioned table as it is: attached partitions by lower bound, and the DEFAULT one."""

    name: str
    partitions: list[Partition]
    default: Partition | None
    """The catch-all; its bounds mean nothing."""
    default_has_rows: bool


def partitioned_models(app_configs: Sequence[AppConfig] | None = None) -> list[type[PartitionedModel]]:
    """Every concrete partitioned model (of these apps), ordered by table name."""
    found = [
        model
        for model in apps.get_models()
        if issubclass(model, PartitionedModel)
        and model._meta.managed
        and not model._meta.proxy
        and (app_configs is None or model._meta.app_config in app_configs)
    ]
    return sorted(found, key=lambda model: model._meta.db_table)


def get_model(name: str) -> type[PartitionedModel]:
    """The partitioned model called `name`: a table name or app_label.Model. Raises PartitionRefusedError."""
    for model in partitioned_models():
        if name.lower() in (model._meta.db_table.lower(), model._meta.label_lower):
            return model
    raise PartitionRefusedError(f"{name} is not a partitioned model or table.")


def read(model: type[PartitionedModel], using: str) -> Table:
    """The table's partitions with sizes and row estimates; counts nothing.

    Raises PartitionRefusedError when the database has no such partitioned table.
    """
    name = model._meta.db_table
    with connections[using].cursor() as cursor:
        cursor.execute(PIECES, [name])
        rows = cursor.fetchall()
        if not rows:
            raise PartitionRefusedError(f"{name} is not a partitioned table in database {using!r}.")
        partitions, default, default_has_rows = [], None, False
        for child, lower, upper, size, estimate, options, is_default in rows:
            # A connection may be set to another time zone: all that follows is UTC.
            bounds = ((lower or BEGINNING).astimezone(UTC), (upper or END).astimezone(UTC))
            storage = dict(option.split("=", 1) for option in options or ())
            piece = Partition(*bounds, child, size, estimate, storage)
            if is_default:
                default = piece
                cursor.execute(SQL("SELECT EXISTS (SELECT FROM {})").format(Identifier(child)))
                (default_has_rows,) = cursor.fetchone()
            elif child is not None:
                partitions.append(piece)
    return Table(name, partitions, default, default_has_rows)


def waiting(model: type[PartitionedModel], table: Table, using: str) -> list[datetime]:
    """Starts of the periods with rows in the DEFAULT partition, in order."""
    if table.default is None or not table.default_has_rows:
        return []
    key = Identifier(column_of(model, model.partitioning.key))
    statement = SQL(WAITING).format(key=key, table=Identifier(table.default.name))
    with connections[using].cursor() as cursor:
        cursor.execute(statement, [model.partitioning.period.value])
        return [start.astimezone(UTC) for (start,) in cursor.fetchall()]


def columns(table: str, using: str) -> list[str]:
    """Columns that hold data of their own; generated ones do not.

    Asked of the database, as the model may know fewer columns while a release rolls out.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(COLUMNS, [table])
        return [column for (column,) in cursor.fetchall()]


def detached(using: str) -> list[tuple[str, Partition]]:
    """Detached tables that still exist, each after the name of the table it came from."""
    found = []
    with connections[using].cursor() as cursor:
        cursor.execute(DETACHED, [MARK])
        for name, description, size, estimate in cursor.fetchall():
            origin = json.loads(description.removeprefix(MARK))
            lower, upper = (datetime.fromisoformat(origin[end]) for end in ("lower", "upper"))
            found.append((origin["parent"], Partition(lower, upper, name, size, estimate)))
    return found
