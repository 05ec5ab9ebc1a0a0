"""What commands print is text that others wrote: it is shown, never obeyed."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.table import Table

from tradeplatform.common.console import output, verdict


def printed(what: object) -> str:
    file = StringIO()
    output({"stdout": file}).print(what)
    return file.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see [ticket 7]", "see [ticket 7]"),
        ("no style ends here [/red]", "no style ends here [/red]"),
        ("[link=https://example.com]more[/link]", "[link=https://example.com]more[/link]"),
        ("ring the :bell:", "ring the :bell:"),
        ("\x1b[2J\x07\r\0", r"\x1b[2J\x07\r\x00"),
        ("turned \u202e round", r"turned \u202e round"),
        ("Grüße, 価格", "Grüße, 価格"),
    ],
)
def test_a_text_is_printed_as_it_is_as_a_line_a_title_and_a_cell(text: str, shown: str) -> None:
    table = Table("", title=text, show_header=False)
    table.add_row(f"cell {text}")

    assert printed(text) == f"{shown}\n"
    assert printed(table).count(shown) == 2


def test_lines_and_columns_stay() -> None:
    assert printed("one\ntwo") == "one\ntwo\n"


def test_a_verdict_has_its_words() -> None:
    assert printed(verdict(good=False, words="BROKEN [/]")) == "BROKEN [/]\n"
