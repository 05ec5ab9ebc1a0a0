"""Trades from a file, CSV or JSON lines: all of it or nothing, after a preview if wished."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from orders.history.reading import OPTIONAL, REQUIRED, ToldTrade, check_columns, read_trade
from orders.history.services.ingesting import Taken, ingest
from tradeplatform.common.errors import Code, Refusal

MOST_ROWS = 200_000
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Ingested:
    """How many trades of a file were new and how many were known already."""

    new: int
    repeated: int


def ingest_file(path: Path, *, source: str | None, now: datetime, dry_run: bool = False) -> Ingested:
    """Take every trade of the file, or none. `source` is for rows that do not name theirs.

    Raises Refusal invalid_file with the rows at fault, wrong_columns, or formula_cell.
    """
    told: list[ToldTrade] = []
    lines: list[int] = []
    faults: list[tuple[int, Refusal]] = []
    for line, fields in _rows(path):
        if source is not None:
            fields.setdefault("source", source)
        try:
            told.append(read_trade(fields, now=now))
            lines.append(line)
        except Refusal as refusal:
            if refusal.code == Code.WRONG_COLUMNS:
                raise
            faults.append((line, refusal))
        if len(told) > MOST_ROWS:
            raise Refusal(Code.INVALID_FILE, f"More than {MOST_ROWS:,} rows: send the file in parts.")
    if not told and not faults:
        raise Refusal(Code.INVALID_FILE, "The file has no rows.")
    with transaction.atomic():
        outcomes = [] if faults else ingest(told, now=now)
        faults += [
            (line, outcome)
            for line, outcome in zip(lines, outcomes, strict=bool(outcomes))
            if isinstance(outcome, Refusal)
        ]
        if faults:
            raise _faulty(faults)
        if dry_run:
            transaction.set_rollback(True)
    counts = Counter(outcomes)
    return Ingested(new=counts[Taken.NEW], repeated=counts[Taken.REPEATED])


def _faulty(faults: list[tuple[int, Refusal]]) -> Refusal:
    """One refusal for all rows; its code is theirs where they share one that says what to do."""
    line, first = faults[0]
    codes = {refusal.code for _line, refusal in faults}
    rows = [
        {"line": number, "code": str(refusal.code), "message": refusal.message}
        for number, refusal in faults[:_NAMED]
    ]
    return Refusal(
        Code.FORMULA_CELL if codes == {Code.FORMULA_CELL} else Code.INVALID_FILE,
        f"{len(faults)} rows are at fault and nothing was taken; line {line}: {first.message}",
        rows=rows,
    )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, fields) of the file, by what its name ends in."""
    readers = {".csv": _csv_rows, ".jsonl": _json_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Refusal(Code.INVALID_FILE, "A file of trades ends in .csv or .jsonl.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from reader(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refusal(Code.INVALID_FILE, f"The file cannot be read: {error}.") from error


def _csv_rows(file: Any) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(file, strict=True)
    names = next(reader, [])
    if len(set(names)) != len(names):
        raise Refusal(Code.WRONG_COLUMNS, "A column is named twice.", missing=[], unknown=names)
    # Without a column for it, the source may be given for the whole file.
    check_columns([*names, *({"source"} - set(names))])
    for cells in reader:
        if len(cells) != len(names):
            raise Refusal(
                Code.INVALID_FILE,
                f"Line {reader.line_num} has {len(cells)} cells and the header {len(names)}.",
                rows=[],
            )
        yield reader.line_num, dict(zip(names, cells, strict=True))


def _json_rows(file: Any) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(file, start=1):
        try:
            # Numbers stay the text they were: none becomes a float.
            values = json.loads(line, parse_float=str, parse_int=str)
        except ValueError:
            raise Refusal(Code.INVALID_FILE, f"Line {number} is not JSON.", rows=[]) from None
        if not isinstance(values, dict) or not all(
            isinstance(value, str) or (value is None and name in OPTIONAL) for name, value in values.items()
        ):
            fields = ", ".join(REQUIRED)
            raise Refusal(Code.INVALID_FILE, f"Line {number} is no object of texts: {fields}.", rows=[])
        yield number, {name: value for name, value in values.items() if value is not None}
