"""App configuration: hooks the autodetector in."""

from django.apps import AppConfig


class DjangoPartitionConfig(AppConfig):
    """Partitioned tables; knows no other app."""

    name = "django_partition"
    verbose_name = "Partitions"

    def ready(self) -> None:
        """Register the checks by importing them, and let makemigrations know partitioned models."""
        from django_partition import autodetector, checks  # noqa: F401, PLC0415 - models are loaded by now

        autodetector.install()
