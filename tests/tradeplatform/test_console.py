"""What commands print is text that others wrote: it is shown, never obeyed. Nobody has to read it all."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.db import connection
from rich.table import Table

from tradeplatform.common.console import output, verdict, while_read
from tradeplatform.config import BASE_DIR


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


def test_a_file_has_no_edge_at_which_words_are_cut_or_folded() -> None:
    words = "it is said in many words " * 60
    table = Table("Number", "Reason")
    table.add_row("1" * 40, words.strip())

    assert printed(words.strip()) == f"{words.strip()}\n"
    assert f"{'1' * 40} │ {words.strip()} │" in printed(table)


class Terminal(StringIO):
    """A file that says it is one."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_words_go_on_in_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()

    output({"stdout": terminal}).print("words " * 60)

    assert {len(line) > 80 for line in terminal.getvalue().splitlines()} == {False}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "command",
    [
        ["help"],
        ["partition", "status"],
        ["partition", "status", "--json"],
        ["vault", "status"],
        ["invariants"],
    ],
    ids=" ".join,
)
def test_a_command_whose_output_nobody_reads_ends_without_a_word(command: list[str]) -> None:
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    read, write = os.pipe()
    os.close(read)
    try:
        run = subprocess.run(
            [sys.executable, "manage.py", *command],
            env=os.environ | {"DATABASE_URL": url, "TRADEPLATFORM_READONLY_DATABASE_URL": url},
            cwd=BASE_DIR,
            stdout=write,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
        )
    finally:
        os.close(write)

    # As `cat` and all others end there.
    assert (run.returncode, run.stderr.decode()) == (141, "")


def test_a_pipe_that_broke_elsewhere_is_an_error() -> None:
    with pytest.raises(BrokenPipeError), while_read():
        raise BrokenPipeError
