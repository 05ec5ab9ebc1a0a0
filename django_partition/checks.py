"""System checks: how every partitioned model is declared, and the state of its table in the database."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import connections, models, router

from django_partition import catalog, services
from django_partition.errors import PartitionRefusedError
from django_partition.models import PartitionedModel
from django_partition.planning import current_period, gaps
from django_partition.policy import PartitionPolicy

MAX_TABLE_NAME = 40
"""63 bytes of a PostgreSQL name, less the longest suffix a partition gets."""


@checks.register(checks.Tags.models)
def check_declarations(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Refuse declarations that PostgreSQL would refuse later, in a migration."""
    return [error for model in catalog.partitioned_models(app_configs) for error in declaration_errors(model)]


def declaration_errors(model: type[PartitionedModel]) -> Iterator[checks.CheckMessage]:
    """The faults of one model's declaration."""

    def fault(number: int, message: str, hint: str | None = None) -> checks.CheckMessage:
        return checks.Error(message, hint=hint, obj=model, id=f"django_partition.E{number:03}")

    policy, meta = getattr(model, "partitioning", None), model._meta
    if not isinstance(policy, PartitionPolicy):
        yield fault(1, "A partitioned model must declare partitioning = PartitionPolicy(...).")
        return
    key = next((field for field in meta.concrete_fields if field.name == policy.key), None)
    if not isinstance(key, models.DateTimeField) or key.null:
        yield fault(2, f"The partition key {policy.key!r} must be a DateTimeField of the model, not null.")
    if not isinstance(meta.pk, models.IntegerField):
        yield fault(3, "The primary key of a partitioned model must be one integer column.")
    if len(meta.db_table) > MAX_TABLE_NAME:
        yield fault(
            4,
            f"{meta.db_table!r} leaves no room for partition names.",
            f"Use {MAX_TABLE_NAME} letters at most.",
        )
    for names in unique_sets(model):
        if policy.key not in names:
            yield fault(
                5,
                f"Uniqueness over ({', '.join(names)}) must contain the partition key {policy.key!r}.",
                "Keep a global uniqueness in a table that is not partitioned.",
            )
    for relation in meta.get_fields(include_hidden=True):
        if isinstance(relation, models.ForeignObjectRel) and getattr(relation.field, "db_constraint", False):
            message = f"{relation.field} points to a partitioned model: PostgreSQL cannot enforce it."
            yield fault(6, message, "Set db_constraint=False.")


def unique_sets(model: type[PartitionedModel]) -> Iterator[Sequence[str]]:
    """Field names of every uniqueness the table would have, the primary key apart."""
    for field in model._meta.concrete_fields:
        if field.unique and not field.primary_key:
            yield (field.name,)
    yield from model._meta.unique_together
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            references = map(model._get_expr_references, constraint.expressions)  # type: ignore[attr-defined] # noqa: SLF001
            yield constraint.fields or [names[0] for names in chain.from_iterable(references)]


@checks.register(checks.Tags.database)
def check_tables(
    app_configs: Sequence[AppConfig] | None = None, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """Complain of tables not partitioned, rows in DEFAULT partitions, no partition for now or next."""
    return [
        message
        for using in databases or ()
        for model in catalog.partitioned_models(app_configs)
        if router.allow_migrate_model(using, model)
        and model._meta.db_table in connections[using].introspection.table_names()
        for message in table_messages(model, using)
    ]


def table_messages(model: type[PartitionedModel], using: str) -> Iterator[checks.CheckMessage]:
    """The faults of one existing table."""
    try:
        table = catalog.read(model, using)
    except PartitionRefusedError as error:
        yield checks.Error(
            str(error), hint="Was its migration edited by hand?", obj=model, id="django_partition.E007"
        )
        return
    hint = "Run: manage.py partition apply"
    if table.default and table.default_has_rows:
        yield checks.Warning(
            f"{table.default.name} holds rows.", hint=hint, obj=model, id="django_partition.W001"
        )
    policy = model.partitioning
    current = current_period(policy, services.today_utc())
    for gap in gaps(table.partitions, current, policy.period.shift(current, 2)):
        missing = f"{table.name} has no partition for rows from {gap.lower:%Y-%m-%d} on."
        yield checks.Warning(missing, hint=hint, obj=model, id="django_partition.W002")
