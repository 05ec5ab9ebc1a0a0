"""The readers: rows of each format into exactly the actions they stand for, and bad rows by their line."""

from __future__ import annotations

import gzip
import lzma
from decimal import Decimal
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from orders.models import Side
from orders.replay.actions import ActionKind, MalformedLineError, RecordedAction
from orders.replay.formats import FORMATS
from orders.replay.rows import numbered_rows, opened

BITSTAMP = """\
id,timestamp,exchange.timestamp,price,volume,action,direction
65595247,1430438404518,1430438404000,236.47,200000000,created,bid
65595247,1430438404635,1430438404000,236.47,178855669,changed,bid

65595187,1430438404637,1430438340000,236.47,0,deleted,ask
65595181,1430438405647,1430438337000,236.08,200000000,deleted,bid
"""

LOBSTER = """\
34200.017459617,5,0,1,2238200,-1
34200.189607670,1,11885113,21,2238100,1
34200.2,2,11885113,5,2238100,1
34200.25,4,11885113,6,2238100,1
34200.3,1,11885114,100,2239500,-1,null
34200.4,3,11885114,100,2239500,-1
34200.5,4,11885113,10,2238100,1
34200.6,4,11885113,1,2238100,1
34200.7,7,0,0,-1,-1
34201,6,0,10,2238100,-1
"""

PLAIN = """\
time,kind,id,side,price,quantity
0.000001,new,a,buy,100.5,2
1.5,change,a,buy,100.5,1.25
2,trade,a,buy,100.5,0.25
3,cancel,a,buy,,
"""


def read(name: str, text: str) -> list[RecordedAction]:
    file = TextIOWrapper(BytesIO(text.encode()), encoding="utf-8", newline="")
    return list(FORMATS[name].read(numbered_rows(file)))


def test_bitstamp() -> None:
    assert read("bitstamp", BITSTAMP) == [
        RecordedAction(
            2,
            1430438404518000,
            ActionKind.NEW,
            "65595247",
            Side.BUY,
            Decimal("236.47"),
            Decimal("2.00000000"),
        ),
        RecordedAction(
            3,
            1430438404635000,
            ActionKind.CHANGE,
            "65595247",
            Side.BUY,
            Decimal("236.47"),
            Decimal("1.78855669"),
        ),
        RecordedAction(
            5,
            1430438404637000,
            ActionKind.CANCEL,
            "65595187",
            Side.SELL,
            Decimal("236.47"),
            Decimal(0),
            "filled",
        ),
        RecordedAction(
            6, 1430438405647000, ActionKind.CANCEL, "65595181", Side.BUY, Decimal("236.08"), Decimal(2)
        ),
    ]


def test_lobster() -> None:
    buy, sell = (Side.BUY, Decimal("223.81")), (Side.SELL, Decimal("223.95"))

    assert read("lobster", LOBSTER) == [
        RecordedAction(1, 34200017459, ActionKind.IGNORED, note="hidden execution"),
        RecordedAction(2, 34200189607, ActionKind.NEW, "11885113", *buy, Decimal(21)),
        RecordedAction(3, 34200200000, ActionKind.CHANGE, "11885113", *buy, Decimal(16)),
        RecordedAction(4, 34200250000, ActionKind.TRADE, "11885113", *buy, Decimal(6)),
        RecordedAction(5, 34200300000, ActionKind.NEW, "11885114", *sell, Decimal(100)),
        RecordedAction(6, 34200400000, ActionKind.CANCEL, "11885114", *sell, Decimal(0)),
        RecordedAction(7, 34200500000, ActionKind.TRADE, "11885113", *buy, Decimal(10)),
        RecordedAction(8, 34200600000, ActionKind.IGNORED, note="order from before the recording"),
        RecordedAction(9, 34200700000, ActionKind.IGNORED, note="trading halt"),
        RecordedAction(10, 34201000000, ActionKind.IGNORED, note="cross trade"),
    ]


def test_plain_csv() -> None:
    assert read("csv", PLAIN) == [
        RecordedAction(2, 1, ActionKind.NEW, "a", Side.BUY, Decimal("100.5"), Decimal(2)),
        RecordedAction(3, 1_500_000, ActionKind.CHANGE, "a", Side.BUY, Decimal("100.5"), Decimal("1.25")),
        RecordedAction(4, 2_000_000, ActionKind.TRADE, "a", Side.BUY, Decimal("100.5"), Decimal("0.25")),
        RecordedAction(5, 3_000_000, ActionKind.CANCEL, "a", Side.BUY),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("orders.csv", PLAIN.encode()),
        ("orders.csv.gz", gzip.compress(PLAIN.encode())),
        ("orders.csv.xz", lzma.compress(PLAIN.encode())),
    ],
    ids=["plain", "gz", "xz"],
)
def test_packed_files_read_as_plain_ones(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with opened(path) as recording:
        actions = list(FORMATS["csv"].read(numbered_rows(recording.text)))

    assert actions == read("csv", PLAIN)
    assert recording.size == path.stat().st_size


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        (
            "bitstamp",
            "1,2,3,236.47,5,filled,bid",
            "line 6: action is 'filled', not created, changed or deleted",
        ),
        ("bitstamp", "1,2,3,236.47,5,created,buy", "line 6: direction is 'buy', not bid or ask"),
        ("bitstamp", "1,2,3,NaN,5,created,bid", "line 6: price is 'NaN', not a number from zero up"),
        ("bitstamp", "1,2,3,-1,5,created,bid", "line 6: price is '-1', not a number from zero up"),
        ("bitstamp", "1,2,3,1,5.5,created,bid", "line 6: volume is '5.5', not a whole number from zero up"),
        ("bitstamp", "1,2,3,1", "line 6: 4 columns under a header of 7"),
        ("bitstamp", '1,"2', "line 6: not comma-separated text (unexpected end of data)"),
        ("lobster", "34200.1,8,1,1,1,1", "line 11: type is '8', not one of 1 to 7"),
        ("lobster", "34200.1,1,1,1,1,0", "line 11: direction is '0', not 1 or -1"),
        ("lobster", "34200.1,1,1", "line 11: 3 columns, not time, type, id, size, price, direction"),
        ("lobster", "noon,1,1,1,1,1", "line 11: time is 'noon', not a number from zero up"),
        ("csv", "1,new,a,bid,1,1", "line 6: side is 'bid', not buy or sell"),
        ("csv", "1,add,a,buy,1,1", "line 6: kind is 'add', not new, change, cancel or trade"),
        ("csv", "1,new,,buy,1,1", "line 6: id is empty"),
        ("csv", "1,new,a,buy,,1", "line 6: price is '', not a number from zero up"),
    ],
)
def test_a_bad_row_is_named_by_its_line(name: str, row: str, message: str) -> None:
    good = {"bitstamp": BITSTAMP.replace("\n\n", "\n"), "lobster": LOBSTER, "csv": PLAIN}[name]

    with pytest.raises(MalformedLineError) as error:
        read(name, good + row + "\n")

    assert str(error.value) == message


def test_lobster_takes_no_more_than_is_open() -> None:
    rows = "1.0,1,7,10,2238100,1\n2.0,2,7,11,2238100,1\n"

    with pytest.raises(MalformedLineError, match=r"^line 2: takes 11 from an order of which 10 is open$"):
        read("lobster", rows)


def test_a_header_must_have_the_columns() -> None:
    with pytest.raises(MalformedLineError, match=r"^line 1: the header has no column volume, direction$"):
        read("bitstamp", "id,timestamp,price,action\n")


def test_an_empty_file_has_no_header() -> None:
    with pytest.raises(MalformedLineError, match=r"^line 1: the header has no column time, kind"):
        read("csv", "")


def test_a_damaged_archive_says_so(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.xz"
    path.write_bytes(lzma.compress(PLAIN.encode())[:-40])

    with opened(path) as recording, pytest.raises(MalformedLineError, match="the packed file is damaged"):
        list(FORMATS["csv"].read(numbered_rows(recording.text)))


def test_text_that_is_not_utf_8_says_so(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(PLAIN.encode() + b"4,new,\xff,buy,1,1\n")

    with opened(path) as recording, pytest.raises(MalformedLineError, match="not UTF-8 text"):
        list(FORMATS["csv"].read(numbered_rows(recording.text)))
