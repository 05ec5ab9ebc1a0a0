"""A statement's file to lines: read as a stream, strictly, every fault with the number of its line."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import BinaryIO

from accounts.reconciliation.models import StatementSource
from accounts.services.amounts import check_amount
from instruments.models import Asset
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import rfc3339

MOST_BYTES = 10_000_000
MOST_ROWS = 100_000
#: So many faults are kept with their lines; all are counted.
MOST_FAULTS = 100

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MOST_REFERENCE, _MOST_OUR_REFERENCE, _MOST_TEXT = 64, 140, 500


@dataclass(frozen=True, slots=True)
class ToldLine:
    """One movement as told. Above zero: money came to us."""

    number: int
    reference: str
    booked_at: datetime
    asset: str
    amount: Decimal
    our_reference: str
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that is no line, and why."""

    line: int
    code: Code
    message: str

    def as_json(self) -> dict[str, object]:
        """For contexts and `--json`."""
        return {"line": self.line, "code": self.code.value, "message": self.message}


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The lines of a file, its faults, and the SHA-256 of all its bytes, in hex."""

    lines: Sequence[ToldLine]
    faults: Sequence[Fault]
    sha256: str


def read_file(
    file: BinaryIO, source: StatementSource, assets: Mapping[str, Asset], *, now: datetime
) -> ReadFile:
    """Every row of the file, as a line or as a fault.

    Raises Refusal: invalid_file (too large, not UTF-8, NUL, not CSV, empty), wrong_columns.
    """
    counted = _Counted(file)
    lines: list[ToldLine] = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    try:
        text = io.TextIOWrapper(io.BufferedReader(counted), encoding="utf-8-sig", newline="")
        for number, cells in _rows(text, source):
            if len(lines) + len(faults) >= MOST_ROWS:
                raise Refusal(Code.INVALID_FILE, f"More than {MOST_ROWS:,} rows: send the file in parts.")
            try:
                line = _line(number, cells, source, assets, now)
                _once(line, seen)
            except Refusal as refusal:
                faults.append(Fault(number, refusal.code, refusal.message))
            else:
                lines.append(line)
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal(Code.INVALID_FILE, f"The file is not CSV in UTF-8: {error}.") from error
    if not lines and not faults:
        raise Refusal(Code.INVALID_FILE, "The file has no rows.")
    return ReadFile(lines, faults, counted.sha256)


def faulty(faults: Sequence[Fault]) -> Refusal:
    """One refusal for all rows at fault; its code is theirs where they share one."""
    codes = Counter(fault.code for fault in faults)
    first = min(faults, key=lambda fault: fault.line)
    what = "1 row is" if len(faults) == 1 else f"{len(faults):,} rows are"
    return Refusal(
        first.code if len(codes) == 1 else Code.INVALID_FILE,
        f"{what} at fault and nothing was taken; line {first.line}: {first.message}",
        rows=[fault.as_json() for fault in faults[:MOST_FAULTS]],
    )


class _Counted(io.RawIOBase):
    """The bytes as they are read: hashed, and refused beyond MOST_BYTES."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of what was read."""
        return self._hash.hexdigest()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """The next bytes."""
        piece = self._file.read(len(buffer))
        self._size += len(piece)
        if self._size > MOST_BYTES:
            raise Refusal(
                Code.INVALID_FILE, f"More than {MOST_BYTES // 1_000_000} MB: send the file in parts."
            )
        self._hash.update(piece)
        buffer[: len(piece)] = piece
        return len(piece)


def _rows(text: io.TextIOWrapper, source: StatementSource) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, mapped cells by the name of their mapping); rows without any content are passed over."""
    reader = csv.reader(text, delimiter=source.delimiter, strict=True)
    header = [name.strip() for name in next(reader, [])]
    places = _places(header, source)
    for cells in reader:
        if not any(cells):
            continue
        if any("\0" in cell for cell in cells):
            raise Refusal(Code.INVALID_FILE, f"Line {reader.line_num} holds a NUL character.")
        # A row of another width is found out by the one who reads the cells.
        fits = len(cells) == len(header)
        yield (
            reader.line_num,
            {name: cells[place].strip() for name, place in places.items()} if fits else {},
        )


def _places(header: Sequence[str], source: StatementSource) -> dict[str, int]:
    """Where each mapped column stands. Raises wrong_columns."""
    wanted = {
        name: column
        for name in ("reference", "date", "amount", "credit", "debit", "asset", "our_reference", "text")
        if (column := getattr(source, f"{name}_column"))
    }
    missing = [column for column in wanted.values() if column not in header]
    twice = [column for column in wanted.values() if header.count(column) > 1]
    if missing or twice:
        said = [f"missing: {', '.join(missing)}"] if missing else []
        said += [f"twice: {', '.join(twice)}"] if twice else []
        raise Refusal(Code.WRONG_COLUMNS, f"Wrong columns; {'; '.join(said)}.", missing=missing, twice=twice)
    return {name: header.index(column) for name, column in wanted.items()}


def _line(
    number: int,
    cells: Mapping[str, str],
    source: StatementSource,
    assets: Mapping[str, Asset],
    now: datetime,
) -> ToldLine:
    if not cells:
        raise Refusal(Code.INVALID_FILE, "It has more or fewer cells than the first row.")
    reference = _text("reference", cells["reference"], _MOST_REFERENCE)
    if not reference:
        raise Refusal(Code.INVALID_FIELD, "The reference is empty.")
    asset = _asset(cells.get("asset"), assets)
    amount = _amount(cells, source)
    check_amount(amount, asset)
    return ToldLine(
        number=number,
        reference=reference,
        booked_at=_moment(cells["date"], source, now),
        asset=asset.code,
        amount=amount,
        our_reference=_text("our reference", cells.get("our_reference", ""), _MOST_OUR_REFERENCE),
        text=_text("text", cells.get("text", ""), _MOST_TEXT),
    )


def _once(line: ToldLine, seen: dict[str, int]) -> None:
    first = seen.setdefault(line.reference, line.number)
    if first != line.number:
        raise Refusal(Code.DUPLICATE_LINE, f"Line {first} has the same reference.")


def _text(name: str, value: str, most: int) -> str:
    """The cell with single blanks; never one that a spreadsheet would compute."""
    said = " ".join(value.split())
    if said.startswith(_FORMULA):
        raise Refusal(Code.FORMULA_CELL, f"The {name} begins like a formula of a spreadsheet.")
    if len(said) > most or not said.isprintable():
        raise Refusal(Code.INVALID_FIELD, f"The {name} is too long or holds characters that no text has.")
    return said


def _asset(code: str | None, assets: Mapping[str, Asset]) -> Asset:
    """The one named, or the source's only one."""
    if code is None:
        (only,) = assets.values()
        return only
    if code.startswith(_FORMULA):
        raise Refusal(Code.FORMULA_CELL, "The asset begins like a formula of a spreadsheet.")
    if code not in assets:
        raise Refusal(Code.UNKNOWN_ASSET, f"{code[:16]!a} is no asset of this source.")
    return assets[code]


def _amount(cells: Mapping[str, str], source: StatementSource) -> Decimal:
    if "amount" in cells:
        return _number(cells["amount"], source)
    credit, debit = cells["credit"], cells["debit"]
    if bool(credit) == bool(debit):
        raise Refusal(Code.INVALID_NUMBER, "Either credit or debit has an amount.")
    size = _number(credit or debit, source)
    if size < 0:
        raise Refusal(Code.INVALID_NUMBER, "Credit and debit are above zero.")
    return size if credit else -size


def _number(value: str, source: StatementSource) -> Decimal:
    mark = source.decimal_mark
    plain = value.replace(mark, ".") if mark in value and (mark == "." or "." not in value) else value
    if _NUMBER.fullmatch(plain):
        return Decimal(plain)
    if value.startswith(_FORMULA) and (value[0] not in "+-" or not value[1:2].isdigit()):
        raise Refusal(Code.FORMULA_CELL, "The amount begins like a formula of a spreadsheet.")
    raise Refusal(Code.INVALID_NUMBER, "The amount is no decimal of up to 18 digits, a mark and 18 digits.")


def _moment(value: str, source: StatementSource, now: datetime) -> datetime:
    try:
        # strptime reads digits of any script; a file of ours has these ten.
        at = datetime.strptime(value if value.isascii() else "", source.date_format).replace(tzinfo=UTC)
    except ValueError:
        shown = source.get_date_format_display()
        raise Refusal(Code.INVALID_FIELD, f"The date is not written like {shown}.") from None
    if at.year < 1970:  # noqa: PLR2004 - there is no market before
        raise Refusal(Code.INVALID_FIELD, "There is no market at that date.")
    if at > now:
        raise Refusal(Code.INVALID_FIELD, f"The date lies in the future: it is {rfc3339(now)}.")
    return at
