"""Django's handle on the app."""

from __future__ import annotations

from django.apps import AppConfig


class SystemConfig(AppConfig):
    """What the platform knows of itself."""

    name = "tradeplatform.system"
    default_auto_field = "django.db.models.BigAutoField"
