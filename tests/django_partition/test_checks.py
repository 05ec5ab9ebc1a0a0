"""System checks: wrong declarations are refused before a migration, and the database's state is told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import checks
from django.core.checks import run_checks
from django.db import connection, models
from django.db.models.functions import Lower
from django.test.utils import isolate_apps

from django_partition import PartitionPolicy, Period, services
from django_partition.checks import check_tables, declaration_errors, table_messages
from django_partition.models import PartitionedModel
from tests.django_partition.app.models import Reading, Statement

POLICY = PartitionPolicy(key="at", period=Period.DAY, ahead=1)


def faults(model: type[PartitionedModel]) -> list[str]:
    return [str(each.id).removeprefix("django_partition.") for each in declaration_errors(model)]


def declare(**members: Any) -> type[PartitionedModel]:
    """A model of these members; a right one when there are none."""
    members = {"__module__": __name__, "at": models.DateTimeField(), "partitioning": POLICY, **members}
    meta = type("Meta", (), {"app_label": "partition_testapp", **members.pop("meta", {})})
    return type("Thing", (PartitionedModel,), {**members, "Meta": meta})


def test_our_own_models_are_right() -> None:
    assert [each for each in run_checks() if str(each.id).startswith("django_partition")] == []


BOTH = models.UniqueConstraint("at", Lower("name"), name="both")
PARTIAL = models.UniqueConstraint(fields=["at"], condition=models.Q(name="x"), name="partial")
RIGHT: list[dict[str, Any]] = [
    {},
    {"name": models.TextField(), "meta": {"constraints": [BOTH, PARTIAL]}},
    {"before": models.ForeignKey("self", models.CASCADE, db_constraint=False)},
]


@pytest.mark.parametrize("members", RIGHT)
def test_right_declarations_have_no_faults(members: dict[str, Any]) -> None:
    with isolate_apps("tests.django_partition.app"):
        assert faults(declare(**members)) == []


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"partitioning": None}, ["E001"]),
    ({"at": models.DateField()}, ["E002"]),
    ({"at": models.DateTimeField(null=True)}, ["E002"]),
    ({"partitioning": PartitionPolicy(key="when", period=Period.DAY, ahead=1)}, ["E002"]),
    ({"code": models.UUIDField(primary_key=True)}, ["E003"]),
    ({"meta": {"db_table": "t" * 41}}, ["E004"]),
    ({"code": models.TextField(unique=True)}, ["E005"]),
    ({"code": models.TextField(), "meta": {"unique_together": [("code", "id")]}}, ["E005"]),
    ({"meta": {"constraints": [models.UniqueConstraint(fields=["id"], name="one")]}}, ["E005"]),
    ({"meta": {"constraints": [models.UniqueConstraint(models.F("id") + 1, name="one")]}}, ["E005"]),
    ({"before": models.ForeignKey("self", models.CASCADE)}, ["E006"]),
    ({"others": models.ManyToManyField("self", symmetrical=False)}, ["E006", "E006"]),
]


@pytest.mark.parametrize(("members", "expected"), WRONG)
def test_wrong_declarations_are_named(members: dict[str, Any], expected: list[str]) -> None:
    with isolate_apps("tests.django_partition.app"):
        assert faults(declare(**members)) == expected


def told(model: type[PartitionedModel]) -> list[tuple[str, str]]:
    return [(str(each.id), each.msg) for each in table_messages(model, "default")]


@pytest.mark.django_db
@pytest.mark.usefixtures("today")
def test_the_database_is_complained_of_until_the_plan_is_applied() -> None:
    Statement.objects.create(id=1, closed_at=datetime(2028, 2, 29, tzinfo=UTC), text="")
    assert told(Statement) == [
        ("django_partition.W001", "partition_testapp_statement_default holds rows."),
        (
            "django_partition.W002",
            "partition_testapp_statement has no partition for rows from 2028-02-01 on.",
        ),
    ]
    services.apply_all([Reading, Statement])
    assert told(Statement) == told(Reading) == []
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE partition_testapp_reading_2028_03_01")
    assert told(Reading) == [
        ("django_partition.W002", "partition_testapp_reading has no partition for rows from 2028-03-01 on.")
    ]


@pytest.mark.django_db
def test_a_table_that_is_not_partitioned_is_an_error() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DROP TABLE partition_testapp_statement; CREATE TABLE partition_testapp_statement (id int)"
        )
    assert told(Statement) == [
        (
            "django_partition.E007",
            "partition_testapp_statement is not a partitioned table in database 'default'.",
        )
    ]


@pytest.mark.django_db
def test_tables_not_migrated_yet_and_other_databases_are_left_alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE partition_testapp_statement, partition_testapp_reading")
    about = [each.obj for each in check_tables(databases=["default"])]
    assert Statement not in about
    assert Reading not in about
    assert check_tables(databases=None) == []
    assert check_tables in checks.registry.registry.get_checks()
