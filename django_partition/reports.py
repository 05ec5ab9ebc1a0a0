"""What the command and the admin show: plain rows, one dict each, all rows of a list with the same keys."""

from typing import Any

from django_partition import catalog
from django_partition.models import PartitionedModel
from django_partition.planning import Partition

Row = dict[str, Any]


def status(model: type[PartitionedModel], using: str) -> list[Row]:
    """Every piece of one table: attached by lower bound, then DEFAULT, then detached. Sizes in bytes."""
    table = catalog.read(model, using)
    rows = [_row(each, "attached") for each in table.partitions]
    if table.default:
        state = "default, HOLDS ROWS" if table.default_has_rows else "default, empty"
        rows.append({**_row(table.default, state), "lower": None, "upper": None})
    return rows + [_row(each, "detached") for parent, each in catalog.detached(using) if parent == table.name]


def summary(model: type[PartitionedModel], using: str) -> Row:
    """One table in one row: its policy and the sums over its attached pieces."""
    table, policy = catalog.read(model, using), model.partitioning
    pieces = [*table.partitions, *filter(None, [table.default])]
    return {
        "table": table.name,
        "key": policy.key,
        "period": policy.period.value,
        "ahead": policy.ahead,
        "retain": policy.retain,
        "partitions": len(table.partitions),
        "estimated_rows": sum(each.estimated_rows or 0 for each in pieces),
        "size": sum(each.size for each in pieces),
        "default_has_rows": table.default_has_rows,
    }


def _row(piece: Partition, state: str) -> Row:
    return {
        "partition": piece.name,
        "lower": piece.lower,
        "upper": piece.upper,
        "estimated_rows": piece.estimated_rows,
        "size": piece.size,
        "state": state,
    }
