"""Partitioned models by day and by month, append-only by trigger, with relations both ways."""

import pgtrigger
from django.db import models

from django_partition import PartitionPolicy, Period
from django_partition.models import PartitionedModel


class Source(models.Model):
    """What readings refer to; an ordinary table."""

    code = models.CharField(max_length=20, unique=True)

    def __str__(self) -> str:
        return self.code


class Reading(PartitionedModel):
    """By day, append-only, with a real foreign key, a generated column, a unique pair and a partial index."""

    at = models.DateTimeField()
    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    note = models.CharField(max_length=200, default="", db_index=True)
    value = models.DecimalField(max_digits=38, decimal_places=18, null=True)
    doubled = models.GeneratedField(
        expression=models.F("value") * 2,
        output_field=models.DecimalField(max_digits=38, decimal_places=18),
        db_persist=True,
    )

    partitioning = PartitionPolicy(key="at", period=Period.DAY, ahead=3, retain=10)

    class Meta:
        indexes = (models.Index(fields=["source", "at"], name="reading_source_at"),)
        constraints = (
            models.UniqueConstraint(fields=["source", "at"], name="reading_once"),
            models.CheckConstraint(condition=models.Q(value__gte=0), name="reading_value_positive"),
        )
        triggers = (pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),)


class Statement(PartitionedModel):
    """By month, kept forever, changed and deleted freely, with an id given by the application."""

    id = models.BigIntegerField(primary_key=True)
    closed_at = models.DateTimeField(db_column="closed")
    text = models.TextField()

    partitioning = PartitionPolicy(
        key="closed_at", period=Period.MONTH, ahead=2, storage={"fillfactor": "70", "parallel_workers": "0"}
    )


class Remark(models.Model):
    """An ordinary row that points at a partitioned one."""

    reading = models.ForeignKey(Reading, on_delete=models.DO_NOTHING, db_constraint=False)

    def __str__(self) -> str:
        return f"on {self.reading_id}"
