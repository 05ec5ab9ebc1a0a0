"""Open a recording, compressed or not, and stream its rows with their line numbers."""

from __future__ import annotations

import csv
import gzip
import lzma
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO, cast

from orders.replay.actions import MalformedLineError

NumberedRow = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Recording:
    """An open file: its text, its size on disk, and how much of that has been read."""

    text: TextIOWrapper
    size: int
    position: Callable[[], int]


@contextmanager
def opened(path: Path) -> Iterator[Recording]:
    """A plain, .gz or .xz file of UTF-8 text. Raises OSError."""
    with path.open("rb") as raw, TextIOWrapper(_unpacked(raw, path.suffix), "utf-8", newline="") as text:
        yield Recording(text, path.stat().st_size, raw.tell)


def _unpacked(raw: BufferedReader, suffix: str) -> IO[bytes]:
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.open(raw))
    if suffix == ".xz":
        return cast("IO[bytes]", lzma.open(raw))
    return raw


def numbered_rows(text: TextIOWrapper) -> Iterator[NumberedRow]:
    """The rows of comma-separated text, empty lines left out. Raises MalformedLineError."""
    reader = csv.reader(text, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise MalformedLineError(reader.line_num, f"not comma-separated text ({error})") from error
    # What could not be read comes after the last line that could.
    except UnicodeDecodeError as error:
        raise MalformedLineError(reader.line_num + 1, f"not UTF-8 text ({error})") from error
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise MalformedLineError(reader.line_num + 1, f"the packed file is damaged ({error})") from error


def by_name(rows: Iterator[NumberedRow], wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows under a header line, by column name. Raises MalformedLineError when `wanted` columns lack."""
    line, header = next(rows, (1, []))
    missing = [name for name in wanted if name not in header]
    if missing:
        raise MalformedLineError(line, f"the header has no column {', '.join(missing)}")
    for number, row in rows:
        if len(row) != len(header):
            raise MalformedLineError(number, f"{len(row)} columns under a header of {len(header)}")
        yield number, dict(zip(header, row, strict=True))
