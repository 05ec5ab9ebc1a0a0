"""System checks: the declaration of every partitioned model, and the state of its table in the database."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.db import models

from django_partition.models import PartitionedModel
from django_partition.policy import PartitionPolicy

MAX_TABLE_NAME = 40
"""63 bytes of a PostgreSQL name, less the longest suffix a partition gets."""


def partitioned_models(app_configs: Sequence[AppConfig] | None = None) -> list[type[PartitionedModel]]:
    """Every concrete partitioned model, ordered by table name."""
    labels = None if app_configs is None else {config.label for config in app_configs}
    found = [
        model
        for model in apps.get_models()
        if issubclass(model, PartitionedModel)
        and model._meta.managed
        and not model._meta.proxy
        and (labels is None or model._meta.app_label in labels)
    ]
    return sorted(found, key=lambda model: model._meta.db_table)


@checks.register(checks.Tags.models)
def check_declarations(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Refuse declarations that PostgreSQL would refuse later, in a migration."""
    return [error for model in partitioned_models(app_configs) for error in declaration_errors(model)]


def declaration_errors(model: type[PartitionedModel]) -> Iterator[checks.CheckMessage]:
    """The faults of one model's declaration."""
    policy = getattr(model, "partitioning", None)
    if not isinstance(policy, PartitionPolicy):
        yield checks.Error(
            "A partitioned model must declare partitioning = PartitionPolicy(...).",
            obj=model, id="django_partition.E001",
        )  # fmt: skip
        return
    meta = model._meta
    fields = {field.name: field for field in meta.concrete_fields}
    key = fields.get(policy.key)
    if not isinstance(key, models.DateTimeField) or key.null or key.generated:
        yield checks.Error(
            f"The partition key {policy.key!r} must be a plain DateTimeField of the model, not null.",
            obj=model, id="django_partition.E002",
        )  # fmt: skip
    if not isinstance(meta.pk, models.IntegerField):
        yield checks.Error(
            "The primary key of a partitioned model must be one integer column.",
            obj=model, id="django_partition.E003",
        )  # fmt: skip
    if len(meta.db_table) > MAX_TABLE_NAME:
        yield checks.Error(
            f"The table name {meta.db_table!r} leaves no room for partition names: at most {MAX_TABLE_NAME} characters.",
            obj=model, id="django_partition.E004",
        )  # fmt: skip
    for names in unique_sets(model):
        if policy.key not in names:
            yield checks.Error(
                f"Uniqueness over ({', '.join(names)}) must contain the partition key {policy.key!r}.",
                hint="Keep a global uniqueness in a table that is not partitioned.",
                obj=model, id="django_partition.E005",
            )  # fmt: skip
    for relation in meta.get_fields(include_hidden=True):
        if isinstance(relation, models.ForeignObjectRel) and getattr(relation.field, "db_constraint", False):
            yield checks.Error(
                f"{relation.field} points to a partitioned model: PostgreSQL cannot enforce it.",
                hint="Set db_constraint=False.",
                obj=model, id="django_partition.E006",
            )  # fmt: skip


def unique_sets(model: type[PartitionedModel]) -> Iterator[Sequence[str]]:
    """Field names of every uniqueness the table would have, the primary key apart."""
    for field in model._meta.concrete_fields:
        if field.unique and not field.primary_key:
            yield (field.name,)
    yield from model._meta.unique_together
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            references = (model._get_expr_references(each) for each in constraint.expressions)  # type: ignore[attr-defined]
            yield constraint.fields or [names[0] for names in chain.from_iterable(references)]
