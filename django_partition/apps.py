"""App configuration: hooks the autodetector in."""

from django.apps import AppConfig


class DjangoPartitionConfig(AppConfig):
    """Partitioned tables; knows no other app."""

    name = "django_partition"
    verbose_name = "Partitions"

    def ready(self) -> None:
        from django_partition import autodetector, checks  # noqa: F401  (checks register themselves)

        autodetector.install()
