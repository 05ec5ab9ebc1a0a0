"""Partitions in a real database: kept ahead, rows moved, gaps healed, old ones detached."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.utils import DatabaseError

from django_partition import catalog, services
from django_partition.errors import PartitionRefusedError, PlanChangedError
from django_partition.models import PartitionedModel
from django_partition.planning import Create, Detach, Tune
from tests.django_partition.app.models import Reading, Statement
from tests.django_partition.conftest import TODAY, homes, names

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

NOON = datetime(2028, 2, 29, 12, tzinfo=UTC)
DAY = timedelta(days=1)
AHEAD = ["2028_02_29", "2028_03_01", "2028_03_02", "2028_03_03"]


def test_partitions_are_kept_ahead_and_a_second_run_does_nothing() -> None:
    done = services.apply_plan(Reading)
    assert [type(each) for each in done] == [Create] * 4
    assert names(Reading) == AHEAD
    assert services.apply_plan(Reading) == []
    assert services.apply_plan(Reading, today=date(2028, 3, 1)) == [
        Create(datetime(2028, 3, 4, tzinfo=UTC), datetime(2028, 3, 5, tzinfo=UTC))
    ]
    assert services.apply_plan(Statement)[0].lower == datetime(2028, 2, 1, tzinfo=UTC)
    assert names(Statement) == ["2028_02", "2028_03", "2028_04"]


def parameters(model: type[PartitionedModel]) -> list[dict[str, str]]:
    return [dict(each.storage) for each in catalog.read(model, "default").partitions]


def test_partitions_get_the_storage_parameters_of_their_policy() -> None:
    services.apply_plan(Statement)
    services.apply_plan(Reading)

    assert parameters(Statement) == [{"fillfactor": "70", "parallel_workers": "0"}] * 3
    assert parameters(Reading) == [{}] * 4


def test_those_that_are_there_get_them_too_and_keep_what_is_not_the_policys() -> None:
    services.apply_plan(Statement)
    first = catalog.read(Statement, "default").partitions[0]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{first.name}" RESET (parallel_workers)')
        cursor.execute(f'ALTER TABLE "{first.name}" SET (fillfactor = 90, autovacuum_enabled = false)')

    assert services.apply_plan(Statement) == [Tune(first.lower, first.upper)]

    kept, policy = {"autovacuum_enabled": "false"}, {"fillfactor": "70", "parallel_workers": "0"}
    assert parameters(Statement) == [kept | policy, policy, policy]
    assert services.apply_plan(Statement) == []


@pytest.mark.parametrize(
    "today",
    [
        date(1970, 1, 1),
        date(1999, 12, 31),
        date(2000, 2, 29),
        date(2027, 10, 31),
        date(2100, 2, 28),
        date(2100, 12, 31),
    ],
)
def test_the_edges_of_a_day_fall_to_its_partition(reading: Callable[..., Reading], today: date) -> None:
    services.apply_plan(Reading, today=today)
    start = datetime(today.year, today.month, today.day, tzinfo=UTC)
    ats = [start - timedelta(microseconds=1), start, start + DAY - timedelta(microseconds=1), start + DAY]
    suffixes = ["default", f"{start:%Y_%m_%d}", f"{start:%Y_%m_%d}", f"{start + DAY:%Y_%m_%d}"]
    ids = [reading(at).pk for at in ats]
    assert homes(Reading) == dict(
        zip(ids, [f"partition_testapp_reading_{each}" for each in suffixes], strict=True)
    )


def test_a_row_that_found_no_partition_at_midnight_is_moved(reading: Callable[..., Reading]) -> None:
    services.apply_plan(Reading, today=TODAY - 4 * DAY)
    midnight = reading(NOON.replace(hour=0), note="it's 100 %", value=Decimal("0.000000000000000001"))
    before = Reading.objects.values().get()
    assert homes(Reading) == {midnight.pk: "partition_testapp_reading_default"}

    done = services.apply_plan(Reading)

    assert Create(NOON.replace(hour=0), NOON.replace(hour=0) + DAY, moves_rows=True) in done
    assert homes(Reading) == {midnight.pk: "partition_testapp_reading_2028_02_29"}
    assert Reading.objects.values().get() == before
    assert not catalog.read(Reading, "default").default_has_rows
    assert names(Reading)[-4:] == AHEAD


def test_append_only_holds_before_and_after_the_move(reading: Callable[..., Reading]) -> None:
    moved = reading(NOON)
    services.apply_plan(Reading)
    later = reading(NOON + 30 * DAY)
    assert homes(Reading) == {
        moved.pk: "partition_testapp_reading_2028_02_29",
        later.pk: "partition_testapp_reading_default",
    }
    for table in ("partition_testapp_reading_2028_02_29", "partition_testapp_reading_default"):
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT before")
            with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608
            cursor.execute("ROLLBACK TO before")
    assert len(homes(Reading)) == 2


TRIGGERS = {
    "row": "BEFORE INSERT OR DELETE ON partition_testapp_reading FOR EACH ROW",
    "statement": "BEFORE INSERT OR DELETE ON partition_testapp_reading FOR EACH STATEMENT",
    "inserted rows": "AFTER INSERT ON partition_testapp_reading"
    " REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT",
}


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_no_trigger_sees_a_move_but_all_see_the_next_row(
    reading: Callable[..., Reading], trigger: str
) -> None:
    row = reading(NOON)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'seen'; END $$;"
            f" CREATE TRIGGER refuse {trigger} EXECUTE FUNCTION refuse()"
        )
    services.apply_plan(Reading)
    assert homes(Reading) == {row.pk: "partition_testapp_reading_2028_02_29"}
    with pytest.raises(DatabaseError, match="seen"):
        reading(NOON + DAY)


def test_only_the_rows_of_the_range_leave_the_default_partition(reading: Callable[..., Reading]) -> None:
    early, now, far = reading(NOON - 8 * DAY), reading(NOON), reading(NOON + 3000 * DAY)
    done = services.apply_plan(Reading)
    assert [each.lower.date() for each in done if getattr(each, "moves_rows", False)] == [
        date(2028, 2, 21),
        date(2028, 2, 29),
        date(2036, 5, 17),
    ]
    assert homes(Reading) == {
        early.pk: "partition_testapp_reading_2028_02_21",
        now.pk: "partition_testapp_reading_2028_02_29",
        far.pk: "partition_testapp_reading_2036_05_17",
    }
    assert services.make_plan(Reading) == []


def test_a_row_at_infinity_stays_for_a_person_to_look_at(reading: Callable[..., Reading]) -> None:
    row = reading(NOON)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO partition_testapp_reading (at, source_id, note) VALUES ('infinity', %s, '');"
            " SET CONSTRAINTS ALL IMMEDIATE",
            [row.source_id],
        )
    services.apply_plan(Reading)
    assert homes(Reading)[row.pk] == "partition_testapp_reading_2028_02_29"
    assert catalog.read(Reading, "default").default_has_rows
    assert services.make_plan(Reading) == []


def test_moving_again_and_again_leaves_the_default_partition_as_it_was(
    reading: Callable[..., Reading],
) -> None:
    shape = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'partition_testapp_reading_default'::regclass AND contype <> 'n'"
        " UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE tgrelid = 'partition_testapp_reading_default'::regclass AND NOT tgisinternal"
        " UNION ALL SELECT indexrelid::regclass::text, indisvalid::text FROM pg_index"
        " WHERE indrelid = 'partition_testapp_reading_default'::regclass ORDER BY 1, 2"
    )
    with connection.cursor() as cursor:
        cursor.execute(shape)
        before = cursor.fetchall()
        for number in range(3):
            reading(NOON + number * 40 * DAY)
            services.apply_plan(Reading)
        cursor.execute(shape)
        assert cursor.fetchall() == before
    assert len(before) == 11


def test_new_partitions_have_all_that_the_parent_has() -> None:
    services.apply_plan(Reading)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent IN"
            " (SELECT indexrelid FROM pg_index WHERE indrelid = 'partition_testapp_reading'::regclass)"
            " AND inhrelid IN (SELECT indexrelid FROM pg_index"
            " WHERE indrelid = 'partition_testapp_reading_2028_02_29'::regclass)"
        )
        assert cursor.fetchone() == (6,)
        cursor.execute(
            "SELECT contype::text FROM pg_constraint"
            " WHERE conrelid = 'partition_testapp_reading_2028_02_29'::regclass AND contype <> 'n' ORDER BY 1"
        )
        assert cursor.fetchall() == [("c",), ("f",), ("p",), ("u",)]


def test_missed_days_are_healed() -> None:
    services.apply_plan(Reading, today=date(2028, 2, 20))
    services.apply_plan(Reading)
    assert names(Reading) == [f"2028_02_{number}" for number in range(20, 30)] + AHEAD[1:]


def test_old_partitions_are_detached_past_gaps_with_their_rows(reading: Callable[..., Reading]) -> None:
    for early in (date(2028, 1, 1), date(2028, 2, 10)):
        services.apply_plan(Reading, today=early)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE partition_testapp_reading_2028_02_05")
    old = reading(datetime(2028, 2, 11, tzinfo=UTC))

    done = services.apply_plan(Reading)

    expired = [each.lower.date() for each in done if isinstance(each, Detach)]
    days = [date(2028, 1, 31), *(date(2028, 2, number) for number in range(1, 14))]
    assert expired == [each for each in days if each != date(2028, 2, 5)]
    assert names(Reading)[0] == "2028_02_19"
    assert homes(Reading) == {}
    parents, pieces = zip(*catalog.detached("default"), strict=True)
    assert set(parents) == {"partition_testapp_reading"}
    (holder,) = (each for each in pieces if each.name.endswith("2028_02_11"))
    assert (holder.lower, holder.upper) == (
        datetime(2028, 2, 11, tzinfo=UTC),
        datetime(2028, 2, 12, tzinfo=UTC),
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {holder.name}")  # noqa: S608
        assert cursor.fetchall() == [(old.pk,)]


def test_a_late_row_of_a_detached_day_gets_a_table_beside_it(reading: Callable[..., Reading]) -> None:
    services.apply_plan(Reading, today=date(2028, 1, 1))
    services.apply_plan(Reading)
    reading(datetime(2028, 1, 1, 5, tzinfo=UTC))
    assert services.apply_plan(Reading) == [
        Create(datetime(2028, 1, 1, tzinfo=UTC), datetime(2028, 1, 2, tzinfo=UTC), moves_rows=True),
        Detach(datetime(2028, 1, 1, tzinfo=UTC), datetime(2028, 1, 2, tzinfo=UTC)),
    ]
    there = [each.name for _, each in catalog.detached("default")]
    assert "partition_testapp_reading_2028_01_01" in there
    assert "partition_testapp_reading_2028_01_01_2" in there


def test_detach_by_hand() -> None:
    services.apply_plan(Statement, today=date(2028, 1, 31))
    Statement.objects.create(id=1, closed_at=datetime(2028, 1, 31, tzinfo=UTC), text="kept")
    gone = services.detach(Statement, name="partition_testapp_statement_2028_01")
    assert (gone.lower, gone.upper) == (datetime(2028, 1, 1, tzinfo=UTC), datetime(2028, 2, 1, tzinfo=UTC))
    assert names(Statement) == ["2028_02", "2028_03"]
    assert [(parent, each.name) for parent, each in catalog.detached("default")] == [
        ("partition_testapp_statement", "partition_testapp_statement_2028_01")
    ]
    assert Statement.objects.count() == 0


def test_a_plan_that_is_not_the_expected_one_is_refused() -> None:
    agreed = services.make_plan(Statement)
    with pytest.raises(PlanChangedError, match="partition_testapp_statement has changed meanwhile"):
        services.apply_plan(Statement, expected=agreed[1:])
    assert names(Statement) == []
    assert services.apply_plan(Statement, expected=agreed) == agreed
    assert services.apply_plan(Statement, expected=[]) == []


@pytest.mark.parametrize("suffix", ["2028_02", "2028_03", "default", "2001_01"])
def test_what_is_in_use_or_unknown_is_not_detached(suffix: str) -> None:
    services.apply_plan(Statement)
    before = catalog.read(Statement, "default")
    with pytest.raises(PartitionRefusedError):
        services.detach(Statement, name=f"partition_testapp_statement_{suffix}")
    assert catalog.read(Statement, "default") == before


def test_all_tables_at_once() -> None:
    done = services.apply_all([Reading, Statement])
    assert {table: len(actions) for table, actions in done.items()} == {
        "partition_testapp_reading": 4,
        "partition_testapp_statement": 3,
    }


def test_foreign_bounds_are_understood_and_filled_around() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE odd PARTITION OF partition_testapp_statement"
            " FOR VALUES FROM (MINVALUE) TO ('2028-02-10 18:30:00+02')"
        )
    services.apply_plan(Statement)
    assert names(Statement)[1:] == ["2028_02_10_163000", "2028_03", "2028_04"]
    odd = catalog.read(Statement, "default").partitions[0]
    assert (odd.name, odd.lower, odd.upper) == (
        "odd",
        catalog.BEGINNING,
        datetime(2028, 2, 10, 16, 30, tzinfo=UTC),
    )


@pytest.fixture
def auckland() -> Iterator[None]:
    """The connection set to a time zone 13 hours ahead of UTC."""
    connection.settings_dict["TIME_ZONE"] = "Pacific/Auckland"
    connection.__dict__.pop("timezone", None)
    connection.__dict__.pop("timezone_name", None)
    connection.ensure_timezone()
    yield
    connection.settings_dict["TIME_ZONE"] = None
    del connection.timezone, connection.timezone_name
    connection.ensure_timezone()


@pytest.mark.usefixtures("auckland")
def test_the_time_zone_of_the_connection_does_not_move_bounds(reading: Callable[..., Reading]) -> None:
    row = reading(NOON.replace(hour=23))
    Statement.objects.create(id=1, closed_at=datetime(2028, 1, 31, 23, tzinfo=UTC), text="")
    services.apply_all([Reading, Statement])
    assert catalog.read(Reading, "default").partitions[0].lower == datetime(2028, 2, 29, tzinfo=UTC)
    assert homes(Reading) == {row.pk: "partition_testapp_reading_2028_02_29"}
    assert homes(Statement) == {1: "partition_testapp_statement_2028_01"}
    assert services.make_plan(Reading) == services.make_plan(Statement) == []
