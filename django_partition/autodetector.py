"""Makes plain `makemigrations` write CreatePartitionedModel for partitioned models."""

from typing import Any

from django.apps import apps
from django.core.management.commands import makemigrations, migrate
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.operations import CreateModel

from django_partition.models import PartitionedModel
from django_partition.operations import partitioned


class PartitionAutodetectorMixin(MigrationAutodetector):
    """Replaces the CreateModel of a partitioned model at the moment it is queued."""

    def add_operation(self, app_label: str, operation: Any, *args: Any, **kwargs: Any) -> None:
        """Queue an operation, as Django's detector does."""
        if type(operation) is CreateModel and operation.options.get("managed", True):
            model = apps.get_model(app_label, operation.name)
            if issubclass(model, PartitionedModel) and not model._meta.proxy:
                operation = partitioned(operation, model.partitioning.key)
        super().add_operation(app_label, operation, *args, **kwargs)


def install() -> None:
    """Stack the mixin on the autodetector in place; makemigrations and migrate must share one.

    The module's name is set too, because django-pgtrigger derives its own from it: either may be installed
    first. Subclasses of the commands (django-linear-migrations) inherit the attribute.
    """
    bases = (PartitionAutodetectorMixin, makemigrations.Command.autodetector)
    detector = type("MigrationAutodetector", bases, {})
    makemigrations.Command.autodetector = migrate.Command.autodetector = detector
    makemigrations.MigrationAutodetector = detector  # type: ignore[attr-defined, assignment]
