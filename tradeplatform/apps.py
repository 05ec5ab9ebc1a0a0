"""The top floor as a Django app: its commands, and the Celery application loaded with Django."""

from __future__ import annotations

from django.apps import AppConfig


class TradePlatformConfig(AppConfig):
    """Django's handle on the app."""

    name = "tradeplatform"

    def ready(self) -> None:
        """Make our Celery application the current one, so that `shared_task` and `.delay()` find it."""
        from tradeplatform.celery import app  # noqa: PLC0415 - needs the settings

        app.set_default()
