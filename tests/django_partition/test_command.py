"""manage.py partition: grids for people, JSON for programs, and nothing done by a dry run."""

import json
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from django_partition import catalog, services
from tests.django_partition.app.models import Statement
from tests.django_partition.conftest import names

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

TABLE = "partition_testapp_statement"


def run(*args: str) -> str:
    out = StringIO()
    call_command("partition", *args, stdout=out, no_color=True)
    return out.getvalue()


def run_json(*args: str) -> Any:
    return json.loads(run(*args, "--json"))


PLAN = """\
partition_testapp_statement
  action  moves_rows  lower              upper
  create  False       2028-02-01 00:00Z  2028-03-01 00:00Z
  create  False       2028-03-01 00:00Z  2028-04-01 00:00Z
  create  False       2028-04-01 00:00Z  2028-05-01 00:00Z
"""


def test_plan_and_dry_run_change_nothing() -> None:
    assert run("plan", TABLE) == PLAN
    assert run("apply", "partition_testapp.Statement", "--dry-run") == PLAN
    assert names(Statement) == []


def test_apply_does_what_the_plan_said_once() -> None:
    assert run("apply", TABLE) == PLAN
    assert names(Statement) == ["2028_02", "2028_03", "2028_04"]
    assert run("apply", TABLE) == f"{TABLE}\n  nothing\n"


def test_json_of_a_plan() -> None:
    assert run_json("plan", TABLE)[TABLE][0] == {
        "action": "create",
        "moves_rows": False,
        "lower": "2028-02-01 00:00:00+00:00",
        "upper": "2028-03-01 00:00:00+00:00",
    }


def test_all_tables_when_none_is_named() -> None:
    assert set(run_json("plan")) == {each._meta.db_table for each in catalog.partitioned_models()}
    assert {TABLE, "partition_testapp_reading"} <= set(run_json("status"))


def test_status_shows_every_piece() -> None:
    services.apply_plan(Statement, today=date(2028, 1, 31))
    services.detach(Statement, name=f"{TABLE}_2028_01")
    rows = run_json("status", TABLE)[TABLE]
    assert [(row["partition"].removeprefix(TABLE), row["lower"], row["state"]) for row in rows] == [
        ("_2028_02", "2028-02-01 00:00:00+00:00", "attached"),
        ("_2028_03", "2028-03-01 00:00:00+00:00", "attached"),
        ("_default", None, "default, empty"),
        ("_2028_01", "2028-01-01 00:00:00+00:00", "detached"),
    ]
    Statement.objects.create(id=1, closed_at=datetime(2028, 2, 29, tzinfo=UTC), text="")
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {TABLE}_2028_02")
    rows = run_json("status", TABLE)[TABLE]
    fresh = [(row["size"], row["estimated_rows"]) for row in rows if not row["state"].startswith("default")]
    assert fresh == [(32768, 1), (16384, None), (16384, None)]
    assert f"{TABLE}_default  -" in run("status", TABLE)


def test_detach_and_archive(tmp_path: Path) -> None:
    services.apply_plan(Statement, today=date(2028, 1, 31))
    name = f"{TABLE}_2028_01"
    assert run_json("detach", TABLE, name, "--dry-run")[TABLE][0]["name"] == name
    assert names(Statement) == ["2028_01", "2028_02", "2028_03"]
    assert run_json("detach", TABLE, name)[TABLE][0]["name"] == name
    assert names(Statement) == ["2028_02", "2028_03"]

    directory = f"--directory={tmp_path}"
    assert run_json("archive", directory, "--drop", "--dry-run") == {
        name: [{"file": f"{tmp_path}/{name}.csv.gz", "drop": True}]
    }
    assert list(tmp_path.iterdir()) == []
    assert run_json("archive", directory)[name][0]["rows"] == 0
    assert [each.name for _, each in catalog.detached("default")] == [name]
    assert run_json("archive", name, directory, "--drop")[name][0]["rows"] == 0
    assert catalog.detached("default") == []
    assert run_json("archive", directory) == {}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["plan", "auth_group"], "auth_group is not a partitioned model or table"),
        (["detach", TABLE, f"{TABLE}_2028_02"], "its period is not over"),
        (["detach", TABLE, f"{TABLE}_default"], "is not a partition of"),
        (["archive", TABLE, "--directory=."], "is not a detached table"),
    ],
)
def test_refusals_are_lines_and_not_tracebacks(args: list[str], message: str) -> None:
    services.apply_plan(Statement)
    with pytest.raises(CommandError, match=message):
        run(*args)


def test_silence_when_asked() -> None:
    out = StringIO()
    call_command("partition", "apply", verbosity=0, stdout=out)
    assert out.getvalue() == ""
    assert names(Statement) == ["2028_02", "2028_03", "2028_04"]
