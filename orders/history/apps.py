"""The history app."""

from django.apps import AppConfig


class HistoryConfig(AppConfig):
    """Django's handle on the app."""

    name = "orders.history"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Positions over time"
