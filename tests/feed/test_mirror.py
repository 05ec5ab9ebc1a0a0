"""The mirror: exact values, and against a plain book under losses, repeats and disorder."""

from __future__ import annotations

import json
import random
import re
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orders.feed.mirror import Applied, BookMirror
from tests.feed.book import ClientBook
from tradeplatform.config import BASE_DIR

_EMPTY = 0  # crc32 of nothing


def loaded() -> BookMirror:
    mirror = BookMirror()
    mirror.load(
        seq=7,
        bids=[("49999.00", "0.50000"), ("9999.00", "1.00000")],
        asks=[("50000.00", "1.00000"), ("50001.00", "0.20000")],
    )
    return mirror


def checksum_of(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> int:
    book = ClientBook()
    book.bids, book.asks = dict(bids), dict(asks)
    return book.checksum()


def test_a_loaded_book_has_its_levels_best_first() -> None:
    mirror = loaded()
    assert mirror.bids() == [("49999.00", "0.50000"), ("9999.00", "1.00000")]
    assert mirror.asks() == [("50000.00", "1.00000"), ("50001.00", "0.20000")]
    assert (mirror.best_bid(), mirror.best_ask()) == (("49999.00", "0.50000"), ("50000.00", "1.00000"))
    assert mirror.checksum() == checksum_of(mirror.bids(), mirror.asks())


def test_an_empty_book_has_no_best_and_the_checksum_of_nothing() -> None:
    mirror = BookMirror()
    assert (mirror.seq, mirror.best_bid(), mirror.best_ask(), mirror.checksum()) == (0, None, None, _EMPTY)


def test_a_frame_that_follows_changes_adds_and_removes_levels() -> None:
    mirror = loaded()
    after_bids = [("49999.50", "2.00000"), ("49999.00", "0.75000"), ("9999.00", "1.00000")]
    after_asks = [("50001.00", "0.20000")]
    applied = mirror.apply(
        first_seq=8,
        seq=10,
        bids=[("49999.00", "0.75000"), ("49999.50", "2.00000")],
        asks=[("50000.00", "0.00000")],
        checksum=checksum_of(after_bids, after_asks),
    )
    assert (applied, mirror.seq, mirror.bids(), mirror.asks()) == (
        Applied.APPLIED,
        10,
        after_bids,
        after_asks,
    )


def test_a_frame_without_levels_moves_seq_alone() -> None:
    mirror = loaded()
    checksum = mirror.checksum()
    assert mirror.apply(first_seq=8, seq=8, bids=[], asks=[], checksum=checksum) is Applied.APPLIED
    assert (mirror.seq, mirror.checksum()) == (8, checksum)


def test_removing_a_level_that_is_not_there_changes_nothing() -> None:
    mirror = loaded()
    checksum = mirror.checksum()
    applied = mirror.apply(first_seq=8, seq=8, bids=[("1.00", "0.00000")], asks=[], checksum=checksum)
    assert (applied, mirror.bids()) == (Applied.APPLIED, loaded().bids())


def test_a_known_frame_is_stale_and_changes_nothing() -> None:
    mirror = loaded()
    assert mirror.apply(first_seq=1, seq=7, bids=[("1.00", "1.00000")], asks=[], checksum=1) is Applied.STALE
    assert (mirror.seq, mirror.bids()) == (7, loaded().bids())


def test_a_frame_after_a_lost_one_is_a_gap_and_changes_nothing() -> None:
    mirror = loaded()
    assert mirror.apply(first_seq=9, seq=9, bids=[("1.00", "1.00000")], asks=[], checksum=1) is Applied.GAP
    assert (mirror.seq, mirror.bids()) == (7, loaded().bids())


def test_a_frame_that_begins_in_what_is_known_is_a_gap() -> None:
    assert loaded().apply(first_seq=7, seq=8, bids=[], asks=[], checksum=_EMPTY) is Applied.GAP


def test_a_wrong_checksum_is_corrupt() -> None:
    mirror = loaded()
    wrong = mirror.checksum() ^ 1
    assert mirror.apply(first_seq=8, seq=8, bids=[], asks=[], checksum=wrong) is Applied.CORRUPT


def test_the_checksum_sees_ten_levels_a_side_and_no_more() -> None:
    def book(levels: int) -> BookMirror:
        mirror = BookMirror()
        mirror.load(
            seq=1,
            bids=[(f"{100 - n}.0", "1.0") for n in range(levels)],
            asks=[(f"{200 + n}.0", "1.0") for n in range(levels)],
        )
        return mirror

    assert book(10).checksum() == book(11).checksum()
    assert book(9).checksum() != book(10).checksum()


def test_the_guide_s_own_example_holds() -> None:
    guide = (BASE_DIR / "docs" / "feed.md").read_text()
    block = re.search(r"### `book`\n\n```json\n(.*?)```", guide, re.DOTALL)
    assert block
    decoder, rest, messages = json.JSONDecoder(), block[1].strip(), []
    while rest:
        message, end = decoder.raw_decode(rest)
        messages.append(message)
        rest = rest[end:].strip()
    book = ClientBook()
    for message in messages:
        book.take(message)
    assert (book.seq, book.asks, book.bids) == (815, {"50001.00": "0.20000"}, {"49999.00": "0.50000"})


_PRICES = [f"{100 + n / 100:.2f}" for n in range(30)]
_changes = st.lists(
    st.tuples(st.booleans(), st.integers(0, len(_PRICES) - 1), st.integers(0, 3)), min_size=0, max_size=4
)
_history = st.lists(st.tuples(st.integers(1, 3), _changes), min_size=1, max_size=25)


def frames_of(
    history: list[tuple[int, list[tuple[bool, int, int]]]],
) -> list[tuple[dict[str, Any], ClientBook]]:
    """The frames of a history, each with the book as it is after it."""
    truth, found = ClientBook(), []
    for events, changes in history:
        first = truth.seq + 1
        sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        for is_bid, price, quantity in changes:
            # Bids below asks, as in a book.
            printed = _PRICES[price] if is_bid else f"{Decimal(_PRICES[price]) + 1:.2f}"
            sides["bids" if is_bid else "asks"][printed] = f"{quantity}.000"
        for side, levels in ((truth.bids, sides["bids"]), (truth.asks, sides["asks"])):
            for price_text, quantity_text in levels.items():
                side[price_text] = quantity_text
                if not Decimal(quantity_text):
                    del side[price_text]
        truth.seq += events
        frame = {
            "first_seq": first,
            "seq": truth.seq,
            "bids": list(sides["bids"].items()),
            "asks": list(sides["asks"].items()),
            "checksum": truth.checksum(),
        }
        copy = ClientBook()
        copy.seq, copy.bids, copy.asks = truth.seq, dict(truth.bids), dict(truth.asks)
        found.append((frame, copy))
    return found


@settings(max_examples=300)
@given(
    history=_history,
    lost=st.sets(st.integers(0, 24)),
    order=st.randoms(use_true_random=False),
    disorder=st.booleans(),
    start=st.integers(0, 24),
)
def test_whatever_is_lost_or_out_of_order_the_mirror_is_right_or_asks(
    history: list[tuple[int, list[tuple[bool, int, int]]]],
    lost: set[int],
    order: random.Random,
    disorder: bool,
    start: int,
) -> None:
    """From any snapshot, with any frames missing, repeated or swapped: never wrong, at worst ignorant."""
    frames = frames_of(history)
    books = {0: ClientBook()} | {book.seq: book for _frame, book in frames}
    begin = frames[min(start, len(frames) - 1)][1]
    heard = [frame for number, (frame, _book) in enumerate(frames) if number not in lost]
    heard += order.sample(heard, len(heard) // 3)
    if disorder:
        order.shuffle(heard)
    mirror = BookMirror()
    mirror.load(seq=begin.seq, bids=list(begin.bids.items()), asks=list(begin.asks.items()))
    newest = frames[-1][1]
    for frame in heard:
        applied = mirror.apply(**frame)
        assert applied is not Applied.CORRUPT
        if applied is Applied.GAP:
            # The database knows everything that was published.
            mirror.load(seq=newest.seq, bids=list(newest.bids.items()), asks=list(newest.asks.items()))
        truth = books[mirror.seq]
        assert (dict(mirror.bids()), dict(mirror.asks())) == (truth.bids, truth.asks)
        assert [list(level) for level in mirror.bids()] == truth.best_bids()
        assert [list(level) for level in mirror.asks()] == truth.best_asks()
        assert mirror.checksum() == truth.checksum()
    if heard and frames[-1][0] in heard:
        assert mirror.seq == newest.seq


@settings(max_examples=100)
@given(history=_history, victim=st.integers(0, 24), digit=st.integers(1, 9))
def test_a_falsified_top_level_is_noticed(
    history: list[tuple[int, list[tuple[bool, int, int]]]], victim: int, digit: int
) -> None:
    """A level that is not what the engine had gives another checksum, as long as it is among the ten best."""
    frames = frames_of(history)
    mirror = BookMirror()
    for number, (frame, _book) in enumerate(frames):
        if number == victim % len(frames):
            frame["asks"] = [*frame["asks"], ("100.99", f"{digit}.000")]
            assert mirror.apply(**frame) is Applied.CORRUPT
            return
        assert mirror.apply(**frame) is Applied.APPLIED
