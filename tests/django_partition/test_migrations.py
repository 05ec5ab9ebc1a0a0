"""Migrations: written by plain makemigrations, right in the database, gone without a trace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.commands import makemigrations, migrate
from django.db import connection, models
from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterModelOptions,
    DeleteModel,
    RenameField,
    RenameModel,
)
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.operations.base import Operation
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter, OperationWriter
from django.db.utils import DatabaseError, IntegrityError

from django_partition import catalog, services
from django_partition.operations import CreatePartitionedModel
from tests.django_partition.app.models import Reading, Remark, Source, Statement

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ask(sql: str, *params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def test_makemigrations_writes_the_operation_by_itself() -> None:
    full = ProjectState.from_apps(apps)
    kept = ProjectState({key: state for key, state in full.models.items() if key[0] == "partition_testapp"})
    questioner = MigrationQuestioner(specified_apps={"partition_testapp"})
    detector = makemigrations.Command.autodetector(ProjectState(), kept, questioner)
    (migration,) = detector.changes(graph=MigrationGraph())["partition_testapp"]
    keys = {each.name: each.key for each in migration.operations if isinstance(each, CreatePartitionedModel)}
    assert keys == {"Reading": "at", "Statement": "closed_at"}
    text = MigrationWriter(migration).as_string()
    assert "import django_partition.operations" in text
    assert text.count("django_partition.operations.CreatePartitionedModel(") == 2
    assert "key='closed_at'" in text


def test_both_commands_share_one_autodetector() -> None:
    assert makemigrations.Command.autodetector is migrate.Command.autodetector
    assert {"PartitionAutodetectorMixin", "MigrationAutodetectorMixin"} <= {
        each.__name__ for each in makemigrations.Command.autodetector.__mro__
    }


@pytest.mark.django_db
def test_nothing_is_left_to_migrate() -> None:
    call_command(
        "makemigrations", "django_partition", "partition_testapp", check=True, dry_run=True, verbosity=0
    )


class Named:
    """A base class that is no model: migrations have to mention it."""


def operation(**values: Any) -> CreatePartitionedModel:
    fields = [("id", models.BigAutoField(primary_key=True)), ("at", models.DateTimeField())]
    return CreatePartitionedModel("Thing", fields, key="at", **values)


@pytest.mark.parametrize(
    ("later", "name", "key", "fields"),
    [
        (AddField("thing", "note", models.TextField()), "Thing", "at", ["id", "at", "note"]),
        (AddIndex("thing", models.Index(fields=["at"], name="thing_at")), "Thing", "at", ["id", "at"]),
        (AlterModelOptions("thing", {"verbose_name": "it"}), "Thing", "at", ["id", "at"]),
        (RenameField("thing", "at", "time"), "Thing", "time", ["id", "time"]),
        (RenameModel("Thing", "Item"), "Item", "at", ["id", "at"]),
    ],
)
def test_the_optimizer_keeps_it_partitioned(later: Operation, name: str, key: str, fields: list[str]) -> None:
    (folded,) = operation().reduce(later, "app")
    assert type(folded) is CreatePartitionedModel
    assert (folded.name, folded.key, [field for field, _ in folded.fields]) == (name, key, fields)


def test_the_file_says_all_that_was_folded_in() -> None:
    folded = operation(options={"db_table": "things"}, bases=(Named, models.Model))
    for later in (
        AddIndex("thing", models.Index(fields=["-at", "id"], name="newest")),
        AddConstraint("thing", models.CheckConstraint(condition=models.Q(id__gt=0), name="positive")),
    ):
        (folded,) = folded.reduce(later, "app")
    text, imports = OperationWriter(folded).serialize()
    written: dict[str, Any] = {}
    exec("\n".join([*imports, f"operation = {text.strip().removesuffix(',')}"]), written)  # noqa: S102
    again = written["operation"]
    assert type(again) is CreatePartitionedModel
    assert again.options == {
        "db_table": "things",
        "indexes": [models.Index(fields=["-at", "id"], name="newest")],
        "constraints": [models.CheckConstraint(condition=models.Q(id__gt=0), name="positive")],
    }
    assert (again.name, again.key, again.bases) == ("Thing", "at", (Named, models.Model))
    assert [name for name, _ in again.fields] == ["id", "at"]


def test_the_optimizer_still_removes_what_is_deleted() -> None:
    assert operation().reduce(DeleteModel("Thing"), "app") == []
    assert operation().reduce(DeleteModel("Other"), "app") is False
    assert operation().describe() == "Create partitioned model Thing"


@pytest.mark.django_db
def test_the_table_is_what_postgresql_needs() -> None:
    table = Reading._meta.db_table
    assert ask("SELECT pg_get_partkeydef(%s::regclass)", table) == [("RANGE (at)",)]
    assert ask(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f', 'c') ORDER BY contype, conname",
        table,
    ) == [
        ("reading_value_positive", "CHECK ((value >= (0)::numeric))"),
        (
            "partition_testapp_re_source_id_2452841e_fk_partition",
            "FOREIGN KEY (source_id) REFERENCES partition_testapp_source(id) DEFERRABLE INITIALLY DEFERRED",
        ),
        ("partition_testapp_reading_pkey", "PRIMARY KEY (id, at)"),
        ("reading_once", "UNIQUE (source_id, at)"),
    ]
    assert ask("SELECT pg_get_serial_sequence(%s, 'id')", table) == [
        ("public.partition_testapp_reading_id_seq",)
    ]
    pieces = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
    assert ask(pieces, table) == [("partition_testapp_reading_default",)]


@pytest.mark.django_db
def test_ids_of_the_application_get_no_sequence() -> None:
    assert ask("SELECT pg_get_serial_sequence(%s, 'id')", Statement._meta.db_table) == [(None,)]
    assert ask("SELECT pg_get_partkeydef(%s::regclass)", Statement._meta.db_table) == [("RANGE (closed)",)]


def test_django_treats_it_as_any_model(reading: Callable[..., Reading]) -> None:
    first, second = reading(AT), reading(AT.replace(hour=13), value=None)
    assert second.pk == first.pk + 1
    assert Reading.objects.get(pk=first.pk).doubled == Decimal("3.000000000000000000")
    third, fourth = Reading.objects.bulk_create(
        [Reading(at=AT.replace(hour=hour), source=first.source) for hour in (14, 15)]
    )
    assert (third.pk, fourth.pk) == (second.pk + 1, second.pk + 2)
    remark = Remark.objects.create(reading=third)
    assert Remark.objects.select_related("reading").get(pk=remark.pk).reading == third

    statement = Statement.objects.create(id=7, closed_at=AT, text="a")
    statement.text = "b"
    statement.save()
    assert Statement.objects.get(pk=7).text == "b"
    assert statement.delete() == (1, {"partition_testapp.Statement": 1})


@pytest.mark.parametrize("change", [{"at": AT}, {"value": Decimal(-1)}])
def test_constraints_hold_in_every_partition(reading: Callable[..., Reading], change: dict[str, Any]) -> None:
    reading(AT)
    with pytest.raises(IntegrityError):
        reading(**{"at": AT.replace(hour=13), **change})


def test_triggers_of_the_parent_hold_in_every_partition(reading: Callable[..., Reading]) -> None:
    row = reading(AT)
    with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
        Reading.objects.filter(pk=row.pk).update(note="changed")


@pytest.mark.django_db
def test_going_back_leaves_nothing_and_coming_again_works() -> None:
    Source.objects.create(code="lost")
    call_command("partition", "apply", "partition_testapp.Reading", verbosity=0)
    left = "SELECT relname FROM pg_class WHERE relname LIKE 'partition_testapp%%'"
    assert len(ask(left)) > 20
    call_command("migrate", "partition_testapp", "zero", verbosity=0)
    assert ask(left) == []
    call_command("migrate", "partition_testapp", verbosity=0)
    assert Source.objects.count() == 0
    assert ask("SELECT pg_get_partkeydef(%s::regclass)", Reading._meta.db_table) == [("RANGE (at)",)]


def test_going_back_spares_detached_tables(reading: Callable[..., Reading]) -> None:
    row = reading(AT)
    services.apply_plan(Reading, today=AT.date())
    services.apply_plan(Reading, today=AT.date() + timedelta(days=30))
    call_command("migrate", "partition_testapp", "zero", verbosity=0)
    detached = "partition_testapp_reading_2026_11_20"
    assert ask(f"SELECT id, at FROM {detached}") == [(row.pk, AT)]  # noqa: S608
    call_command("migrate", "partition_testapp", verbosity=0)
    services.apply_plan(Reading, today=AT.date())
    assert catalog.read(Reading, "default").partitions[0].name == f"{detached}_2"
