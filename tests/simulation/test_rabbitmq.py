"""What the run with RabbitMQ makes of what `rabbitmqctl` says."""

from __future__ import annotations

from tests.simulation.rabbitmq import kinds_of_ours


def test_queues_that_carry_work_are_looked_at_and_workers_own_are_not() -> None:
    """As RabbitMQ lists them, with the names of the columns before."""
    listed = """name\ttype
shard-1\tquorum
shard-2\tclassic
default\tquorum
shard-1@host.celery.pidbox\tclassic
worker@host.celery.pidbox\tclassic
"""

    assert kinds_of_ours(listed) == {"shard-1": "quorum", "shard-2": "classic", "default": "quorum"}
