"""The Celery application: wake-ups for the matching shards and the back office's own jobs."""

from __future__ import annotations

import os

from celery import Celery
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeplatform.settings")

app = Celery("tradeplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Binds the correlation id of whoever sent a task to everything the task logs.
app.steps["worker"].add(DjangoStructLogInitStep)
