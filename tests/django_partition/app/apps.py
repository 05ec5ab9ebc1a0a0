"""Test app with partitioned models of every shape the package promises to carry."""

from django.apps import AppConfig


class PartitionTestAppConfig(AppConfig):
    """To be installed as tests.django_partition.app."""

    name = "tests.django_partition.app"
    label = "partition_testapp"
