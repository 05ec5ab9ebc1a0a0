"""The instruments app."""

from django.apps import AppConfig


class InstrumentsConfig(AppConfig):
    """Django's handle on the app."""

    name = "instruments"
    default_auto_field = "django.db.models.BigAutoField"
