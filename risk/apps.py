"""The risk app."""

from django.apps import AppConfig


class RiskConfig(AppConfig):
    """Django's handle on the app."""

    name = "risk"
    default_auto_field = "django.db.models.BigAutoField"
