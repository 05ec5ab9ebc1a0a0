"""Turns a detached table into a compressed CSV file and a manifest; drops it only when both are proven."""

import gzip
import hashlib
import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.sql import SQL, Identifier

from django_partition import catalog
from django_partition.errors import ArchiveMismatchError, PartitionRefusedError
from django_partition.services import Ddl, exclusive


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive file holds. `sha256` is of the CSV text, header included, before compression."""

    table: str
    parent: str
    lower: str
    upper: str
    columns: list[str]
    rows: int
    sha256: str


class Tally:
    """Digest and number of records of a CSV text that comes in pieces."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.records = -1  # the header is no record
        self._quoted = False

    def add(self, piece: bytes) -> None:
        """Count the newlines outside of quotes: COPY quotes every field that has one inside."""
        self.digest.update(piece)
        parts = piece.split(b'"')
        self.records += sum(part.count(b"\n") for part in parts[int(self._quoted) :: 2])
        self._quoted ^= len(parts) % 2 == 0


def archive(name: str, *, directory: Path, drop: bool = False, using: str = DEFAULT_DB_ALIAS) -> Manifest:
    """Write the detached table `name` to files in `directory`, then read them back and compare.

    Nobody can write to the table meanwhile. An archive that exists already is compared with the table and
    never replaced. With `drop` the table is dropped after the comparison. Generated columns are left out.
    Raises PartitionRefusedError, PartitionLockedError, ArchiveMismatchError.
    """
    parent, partition = next((each for each in catalog.detached(using) if each[1].name == name), (None, None))
    if parent is None or partition is None:
        raise PartitionRefusedError(f"{name} is not a detached table; only those are archived.")
    directory.mkdir(parents=True, exist_ok=True)
    file, manifest_file = paths(directory, name)
    with exclusive(parent, using) as ddl:
        ddl("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE" if drop else "LOCK TABLE {} IN SHARE MODE", name)
        columns = catalog.columns(name, using)
        fresh = file.with_suffix(".part")
        rows, sha256 = _dump(ddl, name, columns, fresh)
        bounds = (partition.lower.isoformat(), partition.upper.isoformat())
        manifest = Manifest(name, parent, *bounds, columns, rows, sha256)
        if manifest_file.exists():
            fresh.unlink()
            if Manifest(**json.loads(manifest_file.read_text())) != manifest:
                raise ArchiveMismatchError(f"{name} is not the table that was archived to {file}.")
        else:
            fresh.replace(file)
            manifest_file.write_text(json.dumps(asdict(manifest), indent=2) + "\n")
            for path in (manifest_file, directory):
                _sync(path)
        if _read_back(file) != (rows, sha256):
            raise ArchiveMismatchError(f"{file} does not hold the rows of {name}.")
        if drop:
            ddl("DROP TABLE {}", name)
    return manifest


def paths(directory: Path, name: str) -> tuple[Path, Path]:
    """Where the rows of `name` go, and its manifest."""
    return directory / f"{name}.csv.gz", directory / f"{name}.json"


def _dump(ddl: Ddl, name: str, columns: list[str], file: Path) -> tuple[int, str]:
    """Stream the table in primary key order, so that equal rows make an equal text; rows and sha256."""
    keys = connections[ddl.using].introspection.get_primary_key_columns(ddl.cursor, name) or []
    statement = SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT (FORMAT csv, HEADER)").format(
        SQL(", ").join([Identifier(each) for each in columns]),
        Identifier(name),
        SQL(", ").join([Identifier(each) for each in keys]),
    )
    tally = Tally()
    with ddl.cursor.copy(statement) as copy, gzip.GzipFile(file, "wb", mtime=0) as packed:
        for piece in copy:
            tally.add(bytes(piece))
            packed.write(piece)
    _sync(file)
    return ddl.cursor.rowcount, tally.digest.hexdigest()


def _read_back(file: Path) -> tuple[int, str]:
    tally = Tally()
    try:
        with gzip.open(file) as packed:
            while piece := packed.read(1 << 20):
                tally.add(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveMismatchError(f"{file} cannot be read back: {error}") from error
    return tally.records, tally.digest.hexdigest()


def _sync(path: Path) -> None:
    """Force a file, or a directory's entries, to the disk: the table may be dropped right after."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
