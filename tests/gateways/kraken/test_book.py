"""What a depth shows of a book: the venue's own example, then random books against a client's copy."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from zlib import crc32

import pytest

from instruments.scaling import book_checksum
from orders.feed.mirror import BookMirror
from tests.gateways.ear import Ear
from tests.gateways.kraken.client import CorruptError, KrakenBook, read
from tradeplatform.gateways.kraken.book import DepthBook

AT = "2026-03-02T12:00:00.000000Z"
_BIDS = """
45283.5 0.10000000 45283.4 1.54582015 45282.1 0.10000000 45281.0 0.10000000 45280.3 1.54592586
45279.0 0.07990000 45277.6 0.03310103 45277.5 0.30000000 45277.3 1.54602737 45276.6 0.15445238
"""
_ASKS = """
45285.2 0.00100000 45286.4 1.54571953 45286.6 1.54571109 45289.6 1.54560911 45290.2 0.15890660
45291.8 1.54553491 45294.7 0.04454749 45296.1 0.35380000 45297.5 0.09945542 45299.5 0.18772827
"""
#: What the venue's documentation says of these levels.
THEIR_CHECKSUM = 3310070434


def levels(flat: str) -> list[tuple[str, str]]:
    words = flat.split()
    return list(zip(words[::2], words[1::2], strict=True))


def their_example() -> BookMirror:
    mirror = BookMirror()
    mirror.load(seq=1, bids=levels(_BIDS), asks=levels(_ASKS))
    return mirror


def random_levels(chance: random.Random, count: int) -> list[tuple[str, str]]:
    """Changes of a side between 100.00 and 101.50; about a third takes a level away."""
    found = {f"{chance.randint(10000, 10150) / 100:.2f}" for _ in range(count)}
    return [(price, f"{chance.choice([0, 1, 1]) * chance.randint(1, 99999) / 1000:.3f}") for price in found]


class TestChecksum:
    """One text for all depths."""

    def test_of_the_venue_s_own_example(self) -> None:
        assert their_example().checksum() == THEIR_CHECKSUM

    def test_of_the_venue_s_own_example_by_the_client_s_rules(self) -> None:
        book = KrakenBook(depth=10, prices=1, quantities=8)
        book.bids = {Decimal(price): Decimal(quantity) for price, quantity in levels(_BIDS)}
        book.asks = {Decimal(price): Decimal(quantity) for price, quantity in levels(_ASKS)}
        assert book.checksum() == THEIR_CHECKSUM

    def test_leading_zeros_of_small_prices_and_quantities_do_not_count(self) -> None:
        # 0.00502 x 0.00001234 and 0.00500 x 10.00000000: "502" "1234" "500" "1000000000".
        assert book_checksum(asks=[(502, 1234)], bids=[(500, 1000000000)]) == crc32(b"50212345001000000000")

    @pytest.mark.parametrize("depth", [10, 25, 100, 500, 1000])
    def test_the_ten_best_whatever_the_depth(self, depth: int) -> None:
        mirror = BookMirror()
        mirror.load(
            seq=1,
            bids=[(f"{100 - n / 100:.2f}", "1.000") for n in range(40)],
            asks=[(f"{101 + n / 100:.2f}", "1.000") for n in range(40)],
        )
        ear, book = Ear(), DepthBook("A/B", depth)
        book.moved(mirror, AT)
        book.add(ear, snapshot=True)
        ear.free()
        (data,) = read(ear.heard[0])["data"]
        assert (len(data["bids"]), len(data["asks"])) == (min(depth, 40), min(depth, 40))
        assert data["checksum"] == mirror.checksum()


class TestMessages:
    """Letter by letter."""

    def test_a_snapshot_has_all_digits_and_the_best_first(self) -> None:
        mirror = BookMirror()
        bids = [("9999.90", "0.00010000"), ("10000.00", "123456789.12345678")]
        mirror.load(seq=1, bids=bids, asks=[("10000.10", "0.30000000")])
        ear, book = Ear(), DepthBook("BTC/USD", 10)
        book.add(ear, snapshot=True)
        ear.free()
        assert ear.heard == [], "nobody knows the book yet"
        book.moved(mirror, AT)
        ear.free()
        (text,) = ear.heard
        assert text == (
            '{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD",'
            '"bids":[{"price":10000.00,"qty":123456789.12345678},{"price":9999.90,"qty":0.00010000}],'
            '"asks":[{"price":10000.10,"qty":0.30000000}],'
            f'"checksum":{mirror.checksum()},"timestamp":"{AT}"}}]}}'
        )

    def test_an_update_has_what_is_gone_first_then_what_is_different(self) -> None:
        mirror = their_example()
        ear, book = Ear(), DepthBook("BTC/USD", 10)
        book.moved(mirror, AT)
        book.add(ear, snapshot=False)
        change(mirror, bids=[("45283.5", "0.00000000"), ("45283.4", "2.00000000")])
        book.moved(mirror, AT)
        (data,) = read(ear.heard[0])["data"]
        assert data["bids"] == [
            {"price": Decimal("45283.5"), "qty": 0},
            {"price": Decimal("45283.4"), "qty": Decimal("2.00000000")},
        ]
        assert data["asks"] == []
        assert (len(ear.heard), read(ear.heard[0])["type"]) == (1, "update")

    def test_what_moves_into_sight_is_told_and_what_is_pushed_out_is_not(self) -> None:
        mirror = BookMirror()
        mirror.load(seq=1, bids=[(f"{100 + n}.0", "1.0") for n in range(11)], asks=[])
        ear, book = Ear(), DepthBook("A/B", 10)
        book.moved(mirror, AT)
        book.add(ear, snapshot=False)
        change(mirror, bids=[("111.0", "1.0")])
        book.moved(mirror, AT)
        change(mirror, bids=[("111.0", "0.0")])
        book.moved(mirror, AT)
        bids = [[(level["price"], level["qty"]) for level in read(t)["data"][0]["bids"]] for t in ear.heard]
        assert bids == [[(Decimal(111), Decimal(1))], [(Decimal(111), 0), (Decimal(101), Decimal(1))]]

    def test_what_happens_out_of_sight_is_not_told(self) -> None:
        mirror = BookMirror()
        mirror.load(seq=1, bids=[(f"{100 + n}.0", "1.0") for n in range(11)], asks=[])
        ear, book = Ear(), DepthBook("A/B", 10)
        book.moved(mirror, AT)
        book.add(ear, snapshot=False)
        change(mirror, bids=[("100.0", "7.0")])
        book.moved(mirror, AT)
        assert ear.heard == []

    def test_without_a_snapshot_it_begins_with_the_first_change_after_the_book_is_known(self) -> None:
        mirror = their_example()
        ear, book = Ear(), DepthBook("BTC/USD", 10)
        book.add(ear, snapshot=False)
        book.moved(mirror, AT)
        assert ear.heard == []
        change(mirror, bids=[("45283.4", "2.00000000")])
        book.moved(mirror, AT)
        assert [read(text)["type"] for text in ear.heard] == ["update"]


class TestClients:
    """A client that does as it is told has the book, whatever the order and the pace."""

    @pytest.mark.parametrize("at_once", [False, True], ids=["per-message", "per-level"])
    @pytest.mark.parametrize("depth", [10, 25, 100])
    def test_random_books(self, depth: int, at_once: bool) -> None:
        chance = random.Random(depth)
        mirror, book, ear = BookMirror(), DepthBook("A/B", depth), Ear()
        client = KrakenBook(depth=depth, prices=2, quantities=3, at_once=at_once)
        book.add(ear, snapshot=True)
        for step in range(400):
            change(mirror, bids=random_levels(chance, 6), asks=random_levels(chance, 6))
            # Now and then it does not read for a while.
            ear.busy = step % 50 > 30
            book.moved(mirror, AT)
            if not ear.busy:
                ear.free()
            while ear.heard:
                client.take(read(ear.heard.pop(0)))
            if not ear.busy:
                assert client.bids == shown(mirror.best_bids(depth))
                assert client.asks == shown(mirror.best_asks(depth))
        assert client.snapshots == 1
        assert 100 < client.updates <= 400

    @pytest.mark.parametrize("needs_checksum", [False, True])
    def test_books_that_are_empty_now_and_then(self, needs_checksum: bool) -> None:
        chance = random.Random(1)
        mirror, book, ear = BookMirror(), DepthBook("A/B", 10), Ear()
        client = KrakenBook(depth=10, prices=2, quantities=3, needs_checksum=needs_checksum)
        book.add(ear, snapshot=True)
        emptied = 0
        for _ in range(400):
            if chance.random() < 0.4:
                bids, asks = ([(price, "0") for price, _ in side] for side in (mirror.bids(), mirror.asks()))
            else:
                bids, asks = random_levels(chance, 6), random_levels(chance, 6)
            change(mirror, bids=bids, asks=asks)
            ear.busy = chance.random() < 0.3
            book.moved(mirror, AT)
            if not ear.busy:
                ear.free()
            while ear.heard:
                client.take(read(ear.heard.pop(0)))
            is_empty = not mirror.bids() and not mirror.asks()
            emptied += is_empty
            if not ear.busy and not (is_empty and needs_checksum):
                assert client.bids == shown(mirror.best_bids(10))
                assert client.asks == shown(mirror.best_asks(10))
        assert emptied > 100

    def test_who_was_away_gets_one_message_for_all_he_missed(self) -> None:
        mirror = their_example()
        ear, book = Ear(), DepthBook("BTC/USD", 10)
        book.moved(mirror, AT)
        book.add(ear, snapshot=False)
        ear.busy = True
        for quantity in range(1, 6):
            change(mirror, bids=[("45283.4", f"{quantity}.00000000")])
            book.moved(mirror, AT)
        ear.free()
        (text,) = ear.heard
        assert read(text)["data"][0]["bids"] == [{"price": Decimal("45283.4"), "qty": Decimal(5)}]

    def test_who_was_away_while_nothing_changed_in_the_end_hears_nothing(self) -> None:
        mirror = their_example()
        ear, book = Ear(), DepthBook("BTC/USD", 10)
        book.moved(mirror, AT)
        book.add(ear, snapshot=False)
        ear.busy = True
        for quantity in ("9.00000000", "1.54582015"):
            change(mirror, bids=[("45283.4", quantity)])
            book.moved(mirror, AT)
        ear.free()
        assert ear.heard == []

    def test_an_update_is_encoded_once_for_all(self) -> None:
        mirror = their_example()
        ears, book = [Ear() for _ in range(3)], DepthBook("BTC/USD", 10)
        book.moved(mirror, AT)
        for ear in ears:
            book.add(ear, snapshot=True)
            ear.free()
        change(mirror, bids=[("45283.4", "9.00000000")])
        book.moved(mirror, AT)
        first, *others = ears
        assert len(first.heard) == 2
        assert all(other.heard[k] is first.heard[k] for other in others for k in range(2))

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: data["bids"].pop(),
            lambda data: data["bids"][0].update(qty=Decimal("0.00000001")),
            lambda data: data["asks"][9].update(price=Decimal("45299.4")),
            lambda data: data.update(checksum=data["checksum"] ^ 1),
        ],
    )
    def test_a_corrupted_message_is_noticed(self, spoil: Any) -> None:
        ear, book = Ear(), DepthBook("BTC/USD", 10)
        book.moved(their_example(), AT)
        book.add(ear, snapshot=True)
        ear.free()
        client = KrakenBook(depth=10, prices=1, quantities=8)
        client.take(read(ear.heard[0]))
        message = read(ear.heard[0])
        spoil(message["data"][0])
        with pytest.raises(CorruptError):
            client.take(message)


def change(mirror: BookMirror, *, bids: Any = (), asks: Any = ()) -> None:
    """Move the mirror on, whatever the checksum."""
    mirror.apply(first_seq=mirror.seq + 1, seq=mirror.seq + 1, bids=bids, asks=asks, checksum=0)


def shown(side: dict[int, tuple[str, str]]) -> dict[Decimal, Decimal]:
    return {Decimal(price): Decimal(quantity) for price, quantity in side.values()}
