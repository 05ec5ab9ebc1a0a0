"""Archives: equal to the table byte for byte, restorable, and dropped only when proven."""

import csv
import gzip
import hashlib
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from django_partition import catalog, services
from django_partition.archiving import Manifest, Tally, archive, paths
from django_partition.errors import ArchiveMismatchError, PartitionRefusedError
from tests.django_partition.app.models import Statement
from tests.django_partition.conftest import names

pytestmark = pytest.mark.usefixtures("today")

NAME = "partition_testapp_statement_2028_01"
AT = datetime(2028, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
TEXTS = ["plain", "", 'say "no"', "two\nlines,\r\nand a comma", "\\N", "größe 價格", "x" * 200_000]


@pytest.fixture
def detached(db: None) -> str:
    """January, detached, with text of every awkward kind, inserted against the order of ids."""
    services.apply_plan(Statement, today=date(2028, 1, 31))
    for number, text in reversed(list(enumerate(TEXTS))):
        Statement.objects.create(id=number, closed_at=AT, text=text)
    return services.detach(Statement, name=NAME).name


def rows_of(table: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")  # noqa: S608
        return list(cursor.fetchall())


def exists(table: str) -> bool:
    return table in connection.introspection.table_names()


def test_the_archive_holds_the_table_and_says_so(detached: str, tmp_path: Path) -> None:
    manifest = archive(detached, directory=tmp_path / "new" / "folder")
    file, manifest_file = paths(tmp_path / "new" / "folder", NAME)
    text = gzip.decompress(file.read_bytes())
    assert manifest == Manifest(
        table=NAME,
        parent="partition_testapp_statement",
        lower="2028-01-01T00:00:00+00:00",
        upper="2028-02-01T00:00:00+00:00",
        columns=["id", "closed", "text"],
        rows=7,
        sha256=hashlib.sha256(text).hexdigest(),
    )
    assert Manifest(**json.loads(manifest_file.read_text())) == manifest
    usual = csv.field_size_limit(1 << 20)
    try:
        header, *records = csv.reader(io.StringIO(text.decode(), newline=""))
    finally:
        csv.field_size_limit(usual)
    assert header == ["id", "closed", "text"]
    assert records == [[str(key), "2028-01-31 23:59:59.999999+00", text] for key, text in enumerate(TEXTS)]
    assert exists(NAME)
    assert sorted(each.name for each in file.parent.iterdir()) == [f"{NAME}.csv.gz", f"{NAME}.json"]


def test_the_archive_can_be_read_back_into_a_table(detached: str, tmp_path: Path) -> None:
    before = rows_of(NAME)
    archive(detached, directory=tmp_path, drop=True)
    assert not exists(NAME)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE restored (LIKE partition_testapp_statement INCLUDING ALL)")
        with cursor.copy("COPY restored (id, closed, text) FROM STDIN (FORMAT csv, HEADER match)") as copy:
            copy.write(gzip.decompress(paths(tmp_path, NAME)[0].read_bytes()))
        cursor.execute(
            "ALTER TABLE partition_testapp_statement ATTACH PARTITION restored"
            " FOR VALUES FROM ('2028-01-01Z') TO ('2028-02-01Z')"
        )
    assert rows_of("partition_testapp_statement") == before
    assert len(before) == 7


def test_archiving_again_compares_and_then_may_drop(detached: str, tmp_path: Path) -> None:
    first = archive(detached, directory=tmp_path)
    content = [path.read_bytes() for path in paths(tmp_path, NAME)]
    assert archive(detached, directory=tmp_path, drop=True) == first
    assert [path.read_bytes() for path in paths(tmp_path, NAME)] == content
    assert not exists(NAME)
    assert catalog.detached("default") == []


def test_a_table_changed_since_is_not_dropped(detached: str, tmp_path: Path) -> None:
    archive(detached, directory=tmp_path)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {NAME} SET text = 'forged' WHERE id = 3")  # noqa: S608
    before = [path.read_bytes() for path in paths(tmp_path, NAME)]
    with pytest.raises(ArchiveMismatchError, match="is not the table that was archived"):
        archive(detached, directory=tmp_path, drop=True)
    assert exists(NAME)
    assert [path.read_bytes() for path in paths(tmp_path, NAME)] == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_changed_since_does_not_let_the_table_go(detached: str, tmp_path: Path) -> None:
    archive(detached, directory=tmp_path)
    file, _ = paths(tmp_path, NAME)
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"plain", b"prune")))
    with pytest.raises(ArchiveMismatchError, match="does not hold the rows"):
        archive(detached, directory=tmp_path, drop=True)
    assert exists(NAME)


def test_a_broken_file_does_not_let_the_table_go(detached: str, tmp_path: Path) -> None:
    archive(detached, directory=tmp_path)
    file, _ = paths(tmp_path, NAME)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ArchiveMismatchError, match="cannot be read back"):
        archive(detached, directory=tmp_path, drop=True)
    assert exists(NAME)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["partition_testapp_statement_2028_02", "partition_testapp_source", "nothing"]
)
def test_only_detached_tables_are_archived(name: str, tmp_path: Path) -> None:
    services.apply_plan(Statement)
    with pytest.raises(PartitionRefusedError, match="is not a detached table"):
        archive(name, directory=tmp_path, drop=True)
    assert list(tmp_path.iterdir()) == []
    assert names(Statement) == ["2028_02", "2028_03", "2028_04"]


def test_an_empty_table_has_an_archive_too(db: None, tmp_path: Path) -> None:
    services.apply_plan(Statement, today=date(2028, 1, 31))
    services.detach(Statement, name=NAME)
    manifest = archive(NAME, directory=tmp_path)
    assert manifest.rows == 0
    assert manifest.sha256 == hashlib.sha256(b"id,closed,text\n").hexdigest()


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2)), st.lists(st.integers(1, 9)))
def test_records_are_counted_however_the_text_is_cut(rows: list[list[str]], cuts: list[int]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    text = stream.getvalue().encode("utf-8", "surrogatepass")
    tally, rest = Tally(), text
    for cut in cuts:
        tally.add(rest[:cut])
        rest = rest[cut:]
    tally.add(rest)
    assert (tally.records, tally.digest.hexdigest()) == (len(rows), hashlib.sha256(text).hexdigest())
