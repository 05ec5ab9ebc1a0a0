"""The base class of partitioned models, and the permission that guards their management."""

from typing import ClassVar, cast

from django.db import models

from django_partition.policy import PartitionPolicy


class PartitionedModel(models.Model):
    """A model whose table is RANGE partitioned by time; declare `partitioning = PartitionPolicy(...)`.

    For Django the primary key is `id` alone; in the database it is (id, key), as PostgreSQL demands.
    """

    partitioning: ClassVar[PartitionPolicy]

    class Meta:
        abstract = True


class PartitionedTable(models.Model):
    """No table of its own: the place in the admin, and in permissions, of all partitioned tables."""

    name = models.CharField(max_length=63, primary_key=True)

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (("manage_partitions", "Can manage table partitions"),)
        verbose_name = "partitioned table"

    def __str__(self) -> str:
        return self.name


def column_of(model: type[models.Model], field: str) -> str:
    """Name of the column behind a field."""
    return str(cast("models.Field[object, object]", model._meta.get_field(field)).column)
