"""External trades: each once, whoever tells it, however often; bad ones by name, and nothing of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from orders.history.models import ExternalTrade, ExternalTradeIdentity, PositionPoint
from orders.history.reading import read_trade
from orders.history.services.files import Ingested, ingest_file
from orders.history.services.ingesting import Taken
from tests.factories import NOW, make_account, short
from tests.history.telling import LATER, asked, make_position, points, second, tell, told
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import rfc3339

pytestmark = pytest.mark.django_db


def stored() -> list[int]:
    return [model.objects.count() for model in (ExternalTrade, ExternalTradeIdentity, PositionPoint)]


class TestOnce:
    def test_told_again_it_is_the_same_trade(self) -> None:
        account, instrument = make_position()
        trade = told(account, instrument, 10, "1.50", price=100)

        assert tell(trade) == [Taken.NEW]
        assert tell(trade, replace(trade, quantity=Decimal("1.5"))) == [Taken.REPEATED] * 2

        assert stored() == [1, 1, 1]
        row = ExternalTrade.objects.get()
        assert (row.at, short(row.quantity), row.fee, row.received_at) == (second(10), "1.5", None, LATER)

    def test_twice_in_one_batch_it_is_one(self) -> None:
        account, instrument = make_position()
        trade = told(account, instrument, 10, 1)

        assert tell(trade, trade) == [Taken.NEW, Taken.REPEATED]
        assert stored() == [1, 1, 1]

    @pytest.mark.parametrize(
        "other", [{"quantity": Decimal(2)}, {"price": Decimal(11)}, {"at": second(11)}, {"fee": Decimal(0)}]
    )
    def test_another_trade_under_the_same_id_is_a_conflict(self, other: dict[str, object]) -> None:
        account, instrument = make_position()
        trade = told(account, instrument, 10, 1)
        tell(trade)

        (outcome,) = tell(replace(trade, **other))  # type: ignore[arg-type]

        assert isinstance(outcome, Refusal)
        assert (outcome.code, outcome.status) == (Code.EXTERNAL_ID_CONFLICT, 409)
        assert stored() == [1, 1, 1]

    def test_each_source_has_ids_of_its_own(self) -> None:
        account, instrument = make_position()
        first = told(account, instrument, 10, 1, source="one", external_id="7")

        assert tell(first, replace(first, source="two")) == [Taken.NEW, Taken.NEW]

    def test_one_bad_trade_keeps_no_other_out(self) -> None:
        account, instrument = make_position()
        good = told(account, instrument, 10, 1)
        bad = [
            replace(good, account="nobody", external_id="a"),
            replace(good, instrument="NOTHING", external_id="b"),
            replace(good, quantity=Decimal("0.000000001"), external_id="c"),
        ]

        outcomes = tell(*bad, good)

        codes = [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
        assert codes == [Code.ACCOUNT_NOT_FOUND, Code.UNKNOWN_SYMBOL, Code.INVALID_NUMBER]
        assert (outcomes[3], stored()) == (Taken.NEW, [1, 1, 1])

    def test_the_database_refuses_a_trade_of_nothing(self) -> None:
        account, instrument = make_position()
        row = {"at": NOW, "account": account, "instrument": instrument, "price": 1, "received_at": NOW}

        with pytest.raises(IntegrityError, match="external_trade_is_a_trade"), transaction.atomic():
            ExternalTrade.objects.create(quantity=0, source="x", external_id="1", **row)


@pytest.mark.django_db(transaction=True)
def test_told_by_many_at_once_it_is_still_one() -> None:
    account, instrument = make_position()
    other = make_account(currency=instrument.quote)
    trades = [told(who, instrument, at, 1) for at in (3, 1, 2) for who in (account, other)]
    shuffled = [trades[place:] + trades[:place] for place in range(6)]

    outcomes = all_at_once([lambda part=part: tell(*part) for part in shuffled * 2], threads=6)  # type: ignore[misc]

    taken = [outcome for result in outcomes for outcome in result]  # type: ignore[union-attr]
    assert (taken.count(Taken.NEW), taken.count(Taken.REPEATED)) == (6, 66)
    assert stored() == [6, 6, 6]
    assert points(account, instrument) == points(other, instrument)
    assert [position for _at, position in points(account, instrument)] == ["1", "2", "3"]


FIELDS = {
    "account": "T-1", "instrument": "BTC", "at": "2022-04-25T14:16:18.000001Z", "quantity": "-1.5",
    "price": "100", "source": "venue", "external_id": "a-1",
}  # fmt: skip


class TestReading:
    def test_reads_what_is_well_told(self) -> None:
        trade = read_trade(FIELDS | {"fee": "0.1"}, now=LATER)

        assert (trade.quantity, trade.price, trade.fee) == (Decimal("-1.5"), Decimal(100), Decimal("0.1"))
        assert rfc3339(trade.at) == FIELDS["at"]
        assert read_trade(FIELDS, now=LATER).fee is None

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("quantity", "0", Code.INVALID_NUMBER),
            ("quantity", "0.0", Code.INVALID_NUMBER),
            ("quantity", "1e3", Code.INVALID_NUMBER),
            ("quantity", "NaN", Code.INVALID_NUMBER),
            ("quantity", "", Code.INVALID_NUMBER),
            ("quantity", "1" * 40, Code.INVALID_NUMBER),
            ("quantity", "+1", Code.FORMULA_CELL),
            ("quantity", "=1+1", Code.FORMULA_CELL),
            ("quantity", "-cmd", Code.FORMULA_CELL),
            ("quantity", "\N{ARABIC-INDIC DIGIT ONE}", Code.INVALID_NUMBER),
            ("price", "0", Code.INVALID_NUMBER),
            ("price", "-1", Code.INVALID_NUMBER),
            ("price", "0." + "0" * 17 + "1", Code.INVALID_NUMBER),  # x 1.5 is finer than 18 digits
            ("price", "9" * 15 + "999", Code.INVALID_NUMBER),
            ("fee", "much", Code.INVALID_NUMBER),
            ("at", "2022-04-25", Code.INVALID_FIELD),
            ("at", "2022-04-25T14:16:18", Code.INVALID_FIELD),
            ("at", "2022-04-25T14:16:18.0000001Z", Code.INVALID_FIELD),
            ("at", "2022-02-30T14:16:18Z", Code.INVALID_FIELD),
            ("at", "1969-12-31T23:59:59Z", Code.INVALID_FIELD),
            ("at", "2026-03-02T12:00:00.000001Z", Code.INVALID_FIELD),  # a microsecond after now
            ("at", "0001-01-01T00:00:00+23:59", Code.INVALID_FIELD),
            ("account", "=HYPERLINK(1)", Code.FORMULA_CELL),
            ("account", "@sum", Code.FORMULA_CELL),
            ("account", "", Code.INVALID_FIELD),
            ("account", "a b", Code.INVALID_FIELD),
            ("source", "x" * 33, Code.INVALID_FIELD),
            ("external_id", "\0", Code.INVALID_FIELD),
            ("external_id", "\t1", Code.FORMULA_CELL),
        ],
    )
    def test_refuses_by_the_name_of_the_field(self, field: str, value: str, code: Code) -> None:
        with pytest.raises(Refusal) as caught:
            read_trade(FIELDS | {field: value}, now=LATER)

        assert (caught.value.code, caught.value.context["field"]) == (code, field)

    def test_names_fields_that_are_missing_and_those_it_does_not_know(self) -> None:
        with pytest.raises(Refusal) as caught:
            read_trade({"account": "x", "colour": "red"}, now=LATER)

        assert caught.value.code == Code.WRONG_COLUMNS
        assert caught.value.context["unknown"] == ["colour"]
        assert "price" in caught.value.context["missing"]


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file of this content."""

    def to_file(*lines: str, name: str = "trades.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return to_file


HEADER = "account,instrument,at,quantity,price,external_id"


class TestFile:
    def rows(self, count: int = 3) -> tuple[list[str], str, str]:
        account, instrument = make_position()
        lines = [
            f"{account.account_number},{instrument.symbol},{rfc3339(second(at))},{at},10,{at}"
            for at in range(count, 0, -1)
        ]
        return lines, account.account_number, instrument.symbol

    def test_takes_all_of_it_once(self, write: Write) -> None:
        lines, _account, _symbol = self.rows()
        path = write(HEADER, *lines)

        assert ingest_file(path, source="bank", now=LATER) == Ingested(new=3, repeated=0)
        assert ingest_file(path, source="bank", now=LATER) == Ingested(new=0, repeated=3)
        assert stored() == [3, 3, 3]

    def test_a_preview_takes_nothing(self, write: Write) -> None:
        lines, _account, _symbol = self.rows()

        assert ingest_file(write(HEADER, *lines), source="bank", now=LATER, dry_run=True).new == 3
        assert stored() == [0, 0, 0]

    def test_reads_json_lines_without_a_float_on_the_way(self, write: Write) -> None:
        account, instrument = make_position()
        row = {"account": account.account_number, "instrument": instrument.symbol, "source": "x",
               "at": rfc3339(second(5)), "price": 0.1, "external_id": "1", "fee": None}  # fmt: skip
        line = json.dumps(row | {"quantity": 0})[:-2] + "1.00000001}"

        assert ingest_file(write(line, name="t.jsonl"), source=None, now=LATER) == Ingested(1, 0)
        assert asked(account, instrument) == "1.00000001"

    @pytest.mark.parametrize(
        ("change", "code", "said"),
        [
            (
                lambda lines: [HEADER + ",colour", *(line + ",red" for line in lines)],
                "wrong_columns",
                "colour",
            ),
            (lambda lines: [HEADER.replace("price", "prize"), *lines], "wrong_columns", "missing: price"),
            (lambda lines: [HEADER.replace("price", "at"), *lines], "wrong_columns", "twice"),
            (lambda lines: [HEADER, *lines, lines[0].replace(",10,", ",=1+9,")], "formula_cell", "line 5"),
            (lambda lines: [HEADER, *lines, lines[0] + ",more"], "invalid_file", "Line 5 has 7 cells"),
            (lambda lines: [HEADER, *lines, lines[0].replace(",10,", ",ten,")], "invalid_file", "line 5"),
            (
                lambda lines: [HEADER, *lines, lines[0].replace(",10,", ",11,")],
                "invalid_file",
                "another trade",
            ),
            (lambda lines: [HEADER, *lines, "x" + lines[0]], "invalid_file", "No such account"),
            (lambda _rows: [HEADER], "invalid_file", "no rows"),
            (lambda _rows: [], "wrong_columns", "missing"),
        ],
    )
    def test_one_fault_and_nothing_is_taken(
        self, write: Write, change: Callable[[list[str]], list[str]], code: str, said: str
    ) -> None:
        lines, _account, _symbol = self.rows()

        with pytest.raises(Refusal) as caught:
            ingest_file(write(*change(lines)), source="bank", now=LATER)

        assert caught.value.code == code
        assert said in caught.value.message
        assert stored() == [0, 0, 0]

    def test_what_is_no_file_of_trades_is_refused(self, write: Write, tmp_path: Path) -> None:
        binary = tmp_path / "x.csv"
        binary.write_bytes(b"\xff\xfe\x00")
        for path in (
            binary,
            tmp_path / "missing.csv",
            write("a", name="t.xlsx"),
            write("[1]", name="t.jsonl"),
        ):
            with pytest.raises(Refusal) as caught:
                ingest_file(path, source=None, now=LATER)
            assert caught.value.code == Code.INVALID_FILE

    def test_every_row_must_have_a_source(self, write: Write) -> None:
        lines, _account, _symbol = self.rows()

        with pytest.raises(Refusal, match="missing: source"):
            ingest_file(write(HEADER, *lines), source=None, now=LATER)


def test_times_are_compared_with_now_alone() -> None:
    """A trade of this very microsecond is not in the future."""
    account, instrument = make_position()
    now = NOW + timedelta(microseconds=1)
    fields = FIELDS | {"account": account.account_number, "instrument": instrument.symbol, "at": rfc3339(now)}

    assert tell(read_trade(fields, now=now), now=now) == [Taken.NEW]
