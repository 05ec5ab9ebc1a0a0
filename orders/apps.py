"""The orders app."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Django's handle on the app."""

    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"
