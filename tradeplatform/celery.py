"""The Celery application: wake-ups for the matching shards and the back office's own jobs."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from celery import Celery
from celery import Task as CeleryTask
from celery.signals import celeryd_after_setup, celeryd_init, setup_logging, worker_ready, worker_shutdown
from django.db import InterfaceError, OperationalError, close_old_connections
from django_structlog.celery.steps import DjangoStructLogInitStep

from tradeplatform.common import tracing
from tradeplatform.common.correlation import correlation_id
from tradeplatform.common.garbage import leave_out_what_is_loaded
from tradeplatform.common.metrics import PUBLISHER

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeplatform.settings")

logger = structlog.get_logger(__name__)


class Task(CeleryTask):  # type: ignore[type-arg]
    """One that keeps its process's connections, and says in a line that a database is away.

    The next beat asks again then.
    """

    throws = (OperationalError, InterfaceError)

    def before_start(self, *_what: Any) -> None:
        """Drop a connection that has failed; one that stays is asked for a word before its first use."""
        self.request.update(began=time.time_ns())
        close_old_connections()

    def after_return(self, *_what: Any) -> None:
        """As before; and note what was done, in the trace of whoever sent it."""
        close_old_connections()
        # Whoever drains says more of it by himself.
        if self.name != "orders.drain_shard":
            tracing.record(self.name, began=self.request.get("began"), correlation_ids=[correlation_id()])

    def on_failure(self, exc: Exception, *_how: Any, **_more: Any) -> None:
        """Say it: Celery itself is set to speak of nothing that `throws` names."""
        if isinstance(exc, self.throws):
            logger.warning("database_away", task=self.name, error=str(exc))


_DELAYS = "celery.worker.consumer.delayed_delivery:DelayedDelivery"

app = Celery("tradeplatform", task_cls=Task)
app.config_from_object("django.conf:settings", namespace="CELERY")
# A new connection for each task would cost a drain as much as its work: the server forks, and plans anew.
app.conf.CELERY_DB_REUSE_MAX = 1 << 62
app.autodiscover_tasks()
# Binds the correlation id of whoever sent a task to everything the task logs.
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def _leave_logs_alone(**_: Any) -> None:
    """Keep Celery from raising the root level over the settings': while anybody listens here, it does not."""


@celeryd_init.connect
def _delay_nothing(**_: Any) -> None:
    """Keep Celery from making 28 queues on RabbitMQ for tasks with a delay, of which there are none."""
    from celery.worker.consumer import Consumer  # noqa: PLC0415 - only workers load it

    steps = Consumer.Blueprint.default_steps
    Consumer.Blueprint.default_steps = type(steps)(step for step in steps if step != _DELAYS)


@worker_ready.connect
def _say_ready(**_: Any) -> None:
    """Tell the supervisor, if one started us, that this worker listens on its queue."""
    leave_out_what_is_loaded()
    file = os.environ.get("TRADEPLATFORM_READY_FILE")
    if file:
        Path(file).touch()


@celeryd_after_setup.connect
def _poll_too(instance: Any, **_: Any) -> None:
    """A shard's worker finds what waits by itself as well, and does so before it has a broker."""
    from orders.tasks import keep_polling  # noqa: PLC0415 - the apps are not loaded when this module is

    queues = instance.app.amqp.queues.consume_from
    shards = {int(name.removeprefix("shard-")) for name in queues if name.startswith("shard-")}
    said = dict.fromkeys(shards, True)

    def listen(shard_id: int, wanted: bool) -> None:  # noqa: FBT001 - a Listen
        """Begin or cease to take messages; not while the worker has no broker, and none twice."""
        consumer: Any = getattr(instance, "consumer", None)
        queue = f"shard-{shard_id}"
        tasks = getattr(consumer, "task_consumer", None)
        # With the connection gone the old consumer is still there, takes nothing, and cannot be asked to.
        if tasks is None or consumer.connection is None or tasks.consuming_from(queue) == wanted:
            return
        consumer.call_soon(consumer.add_task_queue if wanted else consumer.cancel_task_queue, queue)
        if said[shard_id] != wanted:
            said[shard_id] = wanted
            logger.info("shard_listening" if wanted else "shard_standing_by", shard=shard_id)

    if shards:
        threading.Thread(target=keep_polling, args=[shards, listen], name="polling", daemon=True).start()


@worker_shutdown.connect
def _leave_shards(**_: Any) -> None:
    """Those who stand by for its shards need not wait until they find them abandoned."""
    from orders.tasks import leave  # noqa: PLC0415 - the apps are not loaded when this module is

    leave()


@worker_ready.connect
def _publish_metrics(**_: Any) -> None:
    """Tell from now on what this worker counts."""
    PUBLISHER.keep_on()


@worker_ready.connect
def _wake_what_waited(**_: Any) -> None:
    """What was written while no worker ran waits no longer: beat starts last, and takes seconds to load."""
    from orders.tasks import wake_shards_waiting  # noqa: PLC0415 - the apps are not loaded when this module is

    try:
        wake_shards_waiting(longer_than=timedelta(0))
    except Task.throws as error:
        # Whoever polls, and beat, ask again. Celery would tell it as a fault of ours, with a trace.
        logger.warning("database_away", task="worker_ready", error=str(error))
