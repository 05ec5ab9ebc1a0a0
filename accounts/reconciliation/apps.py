"""The reconciliation app."""

from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    """Django's handle on the app."""

    name = "accounts.reconciliation"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Reconciliation"
