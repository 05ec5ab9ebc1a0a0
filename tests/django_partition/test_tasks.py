"""The Celery task: by its name, for every partitioned table there is."""

import pytest
from celery import current_app

from django_partition import catalog
from django_partition.tasks import ensure_partitions


@pytest.mark.django_db
def test_the_task_brings_every_table_to_its_policy_once() -> None:
    tables = {model._meta.db_table for model in catalog.partitioned_models()}
    first = ensure_partitions()
    assert set(first) == tables
    assert first["partition_testapp_reading"] == 4
    assert first["partition_testapp_statement"] == 3
    assert ensure_partitions() == dict.fromkeys(tables, 0)


def test_beat_finds_it_by_name() -> None:
    assert ensure_partitions.name == "django_partition.ensure_partitions"
    assert ensure_partitions.name in current_app.tasks
