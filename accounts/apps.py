"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Django's handle on the app."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
