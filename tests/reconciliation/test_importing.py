"""A statement is taken whole or not at all, once; a file that is none moves nothing and says why."""

from __future__ import annotations

import io
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import LedgerKind
from accounts.reconciliation.models import ImportedStatement, StatementLine, StatementSource
from accounts.reconciliation.reading import MOST_BYTES
from accounts.reconciliation.selectors import unexplained
from accounts.reconciliation.services.importing import Preview, Terms, preview_statement
from accounts.reconciliation.services.sources import add_source, change_source
from audit.models import AuditRecord
from tests.factories import ACTOR, NOW, make_asset, short
from tests.reconciliation.banking import (
    HEADER,
    LATER,
    account_at,
    asset_of,
    breaks,
    make_source,
    matched,
    paid_in,
    paid_out,
    picture,
    refused,
    row,
    statement,
    take,
)
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


def seen(source: StatementSource, content: bytes, **terms: Any) -> Preview:
    return preview_statement(
        source_id=source.pk, file=io.BytesIO(content), terms=Terms(**terms), actor=ACTOR, now=LATER
    )


class TestTaking:
    def test_lines_are_kept_as_they_were_told(self, source: StatementSource) -> None:
        done = take(source, row("B1", "1250.50", ours="req 1", text="  Rent,  March ".replace(",", ";")))

        line = StatementLine.objects.get()
        assert (line.reference, line.amount, line.number) == ("B1", Decimal("1250.50"), 2)
        assert (line.booked_at, line.our_reference, line.text) == (
            NOW.replace(hour=0),
            "req 1",
            "Rent; March",
        )
        assert (done.new, done.known, done.repeated) == (1, 0, False)
        record = AuditRecord.objects.get(action="reconciliation.statement.import")
        assert (record.reason, record.after["new"]) == ("the bank's daily file", 1)

    def test_the_period_is_that_of_the_lines_or_as_told(self, source: StatementSource) -> None:
        take(source, row("B1", 1, at=NOW - timedelta(days=3)), row("B2", 1))
        take(source, row("B3", 1), first=date(2026, 2, 1), last=date(2026, 3, 3))

        periods = ImportedStatement.objects.order_by("pk").values_list("since", "until")
        midnight = NOW.replace(hour=0)
        assert list(periods) == [
            (midnight - timedelta(days=3), midnight + timedelta(days=1)),
            # Today is not over: it speaks of what was up to now.
            (midnight.replace(month=2, day=1), LATER),
        ]

    @pytest.mark.parametrize(
        ("mapping", "content"),
        [
            (
                {"amount_column": "", "credit_column": "in", "debit_column": "out"},
                b"reference,date,in,out,ours,text\nB1,2026-03-02,5.25,,,x\nB2,2026-03-02,,3,,x\n",
            ),
            (
                {"delimiter": ";", "decimal_mark": ",", "date_format": "%d.%m.%Y"},
                b"reference;date;amount;ours;text\nB1;02.03.2026;5,25;;x\nB2;02.03.2026;-3;;x\n",
            ),
            (
                {"delimiter": "\t", "our_reference_column": "", "text_column": ""},
                b"date\tunread\treference\tamount\n2026-03-02\t=1\tB1\t+5.25\n2026-03-02\t\tB2\t-3.00\n",
            ),
            (
                {},
                f"\ufeff{HEADER}\r\nB1,2026-03-02,5.25,,Zürich\r\n\r\nB2,2026-03-02,-3,,x".encode(),
            ),
        ],
        ids=["two columns", "german", "tabs", "bom and windows"],
    )  # fmt: skip
    def test_each_source_writes_in_its_own_way(self, mapping: dict[str, Any], content: bytes) -> None:
        source = make_source(**mapping)

        take(source, content=content)

        assert breaks(source) == [("ours", "5.25"), ("ours", "-3")]

    def test_the_same_file_again_adds_nothing(self, source: StatementSource) -> None:
        paid_in(account_at(source), 5)
        first = take(source, row("B1", 5), row("B2", 7))
        before = picture()

        again = take(source, row("B1", 5), row("B2", 7))

        assert (again.statement, again.repeated, again.known) == (first.statement, True, 2)
        assert picture() == before

    def test_the_same_lines_in_another_file_add_nothing(self, source: StatementSource) -> None:
        take(source, row("B1", 5), row("B2", 7))
        before = picture()

        again = take(source, row("B2", "7.00"), row("B1", 5))

        assert (again.statement, again.repeated, again.new, again.known) == (None, True, 0, 2)
        assert again.breaks == 2
        assert picture() == before

    def test_a_month_that_begins_with_known_days_adds_the_rest(self, source: StatementSource) -> None:
        take(source, row("B1", 5))

        again = take(source, row("B1", 5), row("B2", 7))

        assert (again.new, again.known) == (1, 1)
        assert breaks(source) == [("ours", "5"), ("ours", "7")]

    @pytest.mark.parametrize(
        "told", [row("B1", 6), row("B1", 5, ours="x"), row("B1", 5, at=NOW - timedelta(days=1))]
    )
    def test_a_line_told_otherwise_is_a_conflict(self, source: StatementSource, told: str) -> None:
        take(source, row("B1", 5))

        refusal = refused(lambda: take(source, row("B0", 1), told))

        assert refusal.code == Code.LINE_CONFLICT
        assert [fault["line"] for fault in refusal.context["rows"]] == [3]

    def test_two_sources_may_use_one_reference(self, source: StatementSource) -> None:
        take(source, row("B1", 5))
        take(make_source(), row("B1", 6))

        assert StatementLine.objects.filter(reference="B1").count() == 2


class TestClosingBalance:
    def test_is_compared_with_our_ledger_at_that_moment(self, source: StatementSource) -> None:
        account, asset = account_at(source), asset_of(source)
        paid_in(account, 100)
        paid_out(account, 30)
        paid_in(account_at(source, type="demo"), 5_000)
        paid_in(account, 500, at=LATER + timedelta(hours=1))

        done = take(
            source,
            row("B1", 100),
            row("B2", -30),
            row("B3", "-1.50", text="account fee"),
            closing={asset.code: Decimal("68.50")},
            now=LATER + timedelta(days=5),
        )

        (found,) = done.balances
        assert (short(found.theirs), short(found.ours)) == ("68.5", "70")
        # The open break says it all.
        assert done.statement is not None
        ledger = done.statement.balances.get().ledger_id
        rest = unexplained(source.pk, ledger, done.statement.until, found.theirs - found.ours)
        assert rest == 0

    @pytest.mark.parametrize(
        ("closing", "code"),
        [
            ({"NONE": "1"}, Code.UNKNOWN_ASSET),
            ({"": "0.001"}, Code.INVALID_NUMBER),
            ({"": "NaN"}, Code.INVALID_NUMBER),
            ({"": "1e30"}, Code.INVALID_NUMBER),
        ],
    )
    def test_of_no_asset_or_amount_is_refused(
        self, source: StatementSource, closing: dict[str, str], code: Code
    ) -> None:
        said = {asset or asset_of(source).code: Decimal(amount) for asset, amount in closing.items()}

        assert refused(lambda: take(source, row("B1", 5), closing=said)).code == code

    @pytest.mark.parametrize(
        "terms",
        [
            {"first": date(2026, 3, 3), "last": date(2026, 3, 1)},
            {"last": date(2026, 3, 4)},
            {"first": date(2027, 1, 1)},
            {"first": date(2026, 3, 3)},
            {"last": date(2026, 3, 1)},
        ],
        ids=["backwards", "future", "all future", "line before", "line after"],
    )
    def test_a_period_that_cannot_be_is_refused(self, source: StatementSource, terms: Any) -> None:
        assert refused(lambda: take(source, row("B1", 5), **terms)).code == Code.INVALID_FIELD


class TestPreview:
    def test_says_what_importing_would_do_and_does_nothing(self, source: StatementSource) -> None:
        paid_in(account_at(source), 5)
        take(source, row("B0", 3))
        before = picture()

        found = seen(source, statement(row("B0", 3), row("B1", 5), row("B2", 7)))

        assert picture() == before
        assert found.imported is not None
        assert (found.imported.new, found.imported.known) == (2, 1)
        assert found.imported.settled.matched == {"amount": 1}
        assert (found.imported.settled.opened, found.imported.breaks) == (1, 2)
        assert found.as_json()["would"]["statement"] is None

    def test_importing_then_does_exactly_that(self, source: StatementSource) -> None:
        paid_in(account_at(source), 5)
        rows = [row("B1", 5), row("B2", 7)]

        before = seen(source, statement(*rows))
        done = take(source, *rows)

        assert before.imported is not None
        assert before.imported.as_json() | {"statement": None} == done.as_json() | {"statement": None}

    def test_names_every_row_at_fault_by_its_line(self, source: StatementSource) -> None:
        take(source, row("B0", 3))

        found = seen(
            source,
            statement(row("B0", 4), row("B1", "x"), row("B2", 7), row("B2", 7), row("=B3", 1), "a,b"),
        )

        assert found.imported is None
        assert [(fault.line, fault.code.value) for fault in found.faults] == [
            (2, "line_conflict"),
            (3, "invalid_number"),
            (5, "duplicate_line"),
            (6, "formula_cell"),
            (7, "invalid_file"),
        ]


FORTY = "1" * 40
BAD_FILES: dict[str, tuple[bytes, Code]] = {
    "empty": (b"", Code.WRONG_COLUMNS),
    "only a header": (statement(), Code.INVALID_FILE),
    "only blank lines": (statement("", "", ",,,,"), Code.INVALID_FILE),
    "no header": (row("B1", 1).encode(), Code.WRONG_COLUMNS),
    "a column missing": (statement("B1,2026-03-02,1,", header="reference,date,sum,ours"), Code.WRONG_COLUMNS),
    "a column twice": (statement(f"{row('B1', 1)},2", header=f"{HEADER},amount"), Code.WRONG_COLUMNS),
    "another delimiter": (statement(row("B1", 1)).replace(b",", b";"), Code.WRONG_COLUMNS),
    "utf-16": (statement(row("B1", 1)).decode().encode("utf-16"), Code.INVALID_FILE),
    "latin-1": (statement(row("B1", 1, text="Zürich")).decode().encode("latin-1"), Code.INVALID_FILE),
    "bom twice": (b"\xef\xbb\xbf" * 2 + statement(row("B1", 1)), Code.WRONG_COLUMNS),
    "nul": (statement(row("B1", 1, text="a\0b")), Code.INVALID_FILE),
    "a quote without end": (statement(row("B1", 1, text='"x')), Code.INVALID_FILE),
    "a cell too many": (statement(row("B1", 1) + ",x"), Code.INVALID_FILE),
    "a cell too few": (statement("B1,2026-03-02,1,x"), Code.INVALID_FILE),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), Code.INVALID_FILE),
    "too large": (statement(row("B1", 1)) + b"x" * MOST_BYTES, Code.INVALID_FILE),
    "a cell beyond csv": (statement(row("B1", 1, text="x" * 200_000)), Code.INVALID_FILE),
    "twice the same row": (statement(row("B1", 1), row("B1", 1)), Code.DUPLICATE_LINE),
    "one reference, two amounts": (statement(row("B1", 1), row("B1", 2)), Code.DUPLICATE_LINE),
    "40 digits": (statement(row("B1", FORTY)), Code.INVALID_NUMBER),
    "40 digits after the point": (statement(row("B1", f"0.{FORTY}")), Code.INVALID_NUMBER),
    "18 digits, too much": (statement(row("B1", "9" * 19)), Code.INVALID_NUMBER),
    "finer than the asset": (statement(row("B1", "0.001")), Code.INVALID_NUMBER),
    "zero": (statement(row("B1", "0.00")), Code.INVALID_NUMBER),
    "no amount": (statement(row("B1", "")), Code.INVALID_NUMBER),
    "an exponent": (statement(row("B1", "1e3")), Code.INVALID_NUMBER),
    "not a number": (statement(row("B1", "NaN")), Code.INVALID_NUMBER),
    "thousands": (statement(row("B1", "1'000")), Code.INVALID_NUMBER),
    "arabic digits": (statement(row("B1", "\u0661")), Code.INVALID_NUMBER),
    "a comma for a point": (statement(row("B1", '"1,5"')), Code.INVALID_NUMBER),
    "a formula as amount": (statement(row("B1", "=1+1")), Code.FORMULA_CELL),
    "a formula as reference": (statement(row("=cmd|' /C calc'!A0", 1)), Code.FORMULA_CELL),
    "a formula behind a blank": (statement(row(" @SUM(A1)", 1)), Code.FORMULA_CELL),
    "plus": (statement(row("B1", 1, text="+49 30 1234")), Code.FORMULA_CELL),
    "minus": (statement(row("B1", 1, ours="-1")), Code.FORMULA_CELL),
    "at": (statement(row("B1", 1, text="@x")), Code.FORMULA_CELL),
    "no reference": (statement(row("", 1)), Code.INVALID_FIELD),
    "a long reference": (statement(row("B" * 65, 1)), Code.INVALID_FIELD),
    "a long text": (statement(row("B1", 1, text="x" * 501)), Code.INVALID_FIELD),
    "a control character": (statement(row("B\x07", 1)), Code.INVALID_FIELD),
    "a date of another kind": (statement("B1,02.03.2026,1,,x"), Code.INVALID_FIELD),
    "no such date": (statement("B1,2026-02-30,1,,x"), Code.INVALID_FIELD),
    "a date in other digits": (statement("B1,\u0662\u0660\u0662\u0666-03-02,1,,x"), Code.INVALID_FIELD),
    "before all markets": (statement("B1,1066-10-14,1,,x"), Code.INVALID_FIELD),
    "tomorrow": (statement(row("B1", 1, at=LATER + timedelta(days=1))), Code.INVALID_FIELD),
}  # fmt: skip


class TestBadFiles:
    @pytest.mark.parametrize("name", BAD_FILES)
    def test_says_a_stable_code_and_nothing_moves(self, name: str, source: StatementSource) -> None:
        """Issue: a statement file with wrong columns, duplicate rows, formula cells."""
        content, code = BAD_FILES[name]

        assert refused(lambda: take(source, content=content)).code == code

    def test_an_asset_that_is_not_the_sources(self) -> None:
        source = make_source(make_asset(decimals=2), make_asset(decimals=8), asset_column="asset")
        other = make_asset().code
        header = f"{HEADER},asset"

        for code in (other, "", "usd", "\u20ac"):
            told = statement(f"{row('B1', 1)},{code}", header=header)
            assert refused(partial(take, source, content=told)).code == Code.UNKNOWN_ASSET
        told = statement(f"{row('B1', 1)},=x", header=header)
        assert refused(lambda: take(source, content=told)).code == Code.FORMULA_CELL

    def test_one_row_at_fault_leaves_the_good_ones_out_too(self, source: StatementSource) -> None:
        paid_in(account_at(source), 5)

        refusal = refused(lambda: take(source, row("B1", 5), row("B2", "x"), row("B3", 1, text="=1")))

        assert refusal.code == Code.INVALID_FILE
        assert [(fault["line"], fault["code"]) for fault in refusal.context["rows"]] == [
            (3, "invalid_number"),
            (4, "formula_cell"),
        ]
        assert matched(source) == []

    def test_an_unknown_source_and_no_reason(self, source: StatementSource) -> None:
        with pytest.raises(Refusal) as caught:
            preview_statement(source_id=2**40, file=io.BytesIO(b""), terms=Terms(), actor=ACTOR, now=LATER)
        assert caught.value.code == Code.NOT_FOUND

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(content=st.one_of(
        st.binary(max_size=300),
        st.lists(st.lists(st.text(max_size=12), min_size=5, max_size=5), max_size=4).map(
            lambda rows: "\n".join([HEADER, *(",".join(cells) for cells in rows)]).encode("utf-8", "replace")
        ),
    ))  # fmt: skip
    def test_any_bytes_are_lines_or_a_refusal(self, source: StatementSource, content: bytes) -> None:
        before, code = picture(), None
        try:
            seen(source, content)
        except Refusal as refusal:
            code = refusal.code
        assert code in {None, Code.INVALID_FILE, Code.WRONG_COLUMNS}
        assert picture() == before


class TestSources:
    def test_a_ledger_account_is_reconciled_with_one_source(self, source: StatementSource) -> None:
        refusal = refused(lambda: make_source(asset_of(source)))

        assert (refusal.code, refusal.context["field"]) == (Code.INVALID_FIELD, "assets")

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount_column": ""},
            {"credit_column": "in"},
            {"reference_column": ""},
            {"delimiter": "|"},
            {"date_format": "%c"},
            {"match_days": 32},
            {"counterparty": ""},
        ],
    )
    def test_a_mapping_that_cannot_be_read_is_refused(self, changes: dict[str, Any], db: None) -> None:
        asset = make_asset()
        assert refused(lambda: make_source(asset, **changes)).code == Code.INVALID_FIELD

    def test_several_assets_need_a_column(self, db: None) -> None:
        assets = make_asset(), make_asset()

        assert refused(lambda: make_source(*assets)).code == Code.INVALID_FIELD
        both = make_source(*assets, asset_column="asset")
        change: dict[str, Any] = {"changes": {"asset_column": ""}, "reason": "no", "actor": ACTOR, "now": NOW}
        assert refused(lambda: change_source(source_id=both.pk, **change)).code == Code.INVALID_FIELD

    @pytest.mark.parametrize("name", ["", "First Bank", "x" * 33, "-x", "b\0"])
    def test_a_name_is_a_word(self, name: str, db: None) -> None:
        asset = make_asset()
        values = {"counterparty": "x", "reference_column": "r", "date_column": "d", "amount_column": "a"}
        refusal = refused(
            lambda: add_source(
                name=name,
                kind=LedgerKind.FUNDING,
                assets=[asset.code],
                values=values,
                reason="x",
                actor=ACTOR,
                now=NOW,
            )
        )

        assert refusal.code == Code.INVALID_FIELD

    def test_another_mapping_counts_from_now_on(self, source: StatementSource) -> None:
        change_source(
            source_id=source.pk, changes={"amount_column": "sum"}, reason="new", actor=ACTOR, now=NOW
        )

        assert refused(lambda: take(source, row("B1", 5))).code == Code.WRONG_COLUMNS
        take(source, content=statement(row("B1", 5)).replace(b"amount", b"sum"))
        assert breaks(source) == [("ours", "5")]
