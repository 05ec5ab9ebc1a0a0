"""Celery task, to be run hourly. A missed run costs nothing: partitions are kept ahead of time."""

from celery import shared_task

from django_partition.services import apply_all


@shared_task(name="django_partition.ensure_partitions")
def ensure_partitions() -> dict[str, int]:
    """Bring every partitioned table to its policy; how many actions each took."""
    return {table: len(actions) for table, actions in apply_all().items()}
