"""A statement as PDF: A4, a heading on each page, in fonts that know the names of our clients.

Latin, Greek, Cyrillic, Arabic and Hebrew are in the first; Chinese, Japanese and Korean in the second, which
takes seconds to read and is only opened for what the first has not. What neither has is an empty box.
"""

from __future__ import annotations

from typing import Any

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from accounts.documents import words
from accounts.statement_selectors import Section, Statement
from tradeplatform.config import BASE_DIR

_FONT = BASE_DIR / "static" / "vendor" / "dejavu-2.37" / "DejaVuSans.ttf"
_FALLBACK = BASE_DIR / "static" / "vendor" / "droid-6.0.1" / "DroidSansFallback.ttf"
_WIDTHS = (31, 22, 28, 38, 38, 33)
_REASON = 277 - sum(_WIDTHS)
_ROW = 4.6


class _Paper(FPDF):
    """Landscape, with the account and the page's number on each page."""

    def __init__(self, statement: Statement) -> None:
        super().__init__(orientation="landscape", format="A4")
        self.statement = statement
        self.add_font("body", fname=str(_FONT))
        body: Any = self.fonts["body"]
        if any(ord(letter) not in body.cmap for letter in _written_by_people(statement)):
            self.add_font("fallback", fname=str(_FALLBACK))
            self.set_fallback_fonts(["fallback"])
        self.set_margin(10)
        self.set_auto_page_break(auto=True, margin=14)
        self.set_title(f"Statement of {statement.account}, {statement.period}")
        # The same statement is the same file, whenever it is printed.
        self.set_creation_date(statement.period.until)
        self.alias_nb_pages()

    def header(self) -> None:
        self.set_font("body", size=9)
        self.cell(
            text=f"Statement of {self.statement.account}   {_owner(self.statement)}   "
            f"{self.statement.period} (UTC)",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )
        self.ln(2)

    def footer(self) -> None:
        self.set_y(-10)
        self.set_font("body", size=7)
        self.cell(text=f"Page {self.page_no()} of {{nb}}", align="R", w=0)


def _owner(statement: Statement) -> str:
    return statement.account.user.get_full_name() or statement.account.user.username


def _written_by_people(statement: Statement) -> set[str]:
    """Every letter of what is not our own wording, but for the ends of lines."""
    reasons = (line.reason for section in statement.sections for line in section.lines)
    return set("".join([_owner(statement), str(statement.account), *reasons])) - set("\r\n\t")


def statement_pdf(statement: Statement) -> bytes:
    """The file."""
    paper = _Paper(statement)
    paper.add_page()
    for section in statement.sections:
        _write(paper, section)
    if not statement.sections:
        _line(paper, "No money before this period, and none in it.")
    return bytes(paper.output())


def _write(paper: _Paper, section: Section) -> None:
    paper.set_font("body", size=12)
    _line(paper, words.heading(section), height=8)
    paper.set_font("body", size=9)
    for name, value in words.sums(section):
        paper.cell(w=40, h=5, text=name)
        _line(paper, value, width=50, align="R", height=5)
    paper.ln(2)
    rows = words.rows(section)
    paper.set_font("body", size=7)
    if rows:
        _row(paper, words.COLUMNS, border="B")
    for row in rows:
        _row(paper, row)
    paper.ln(5)


def _row(paper: _Paper, cells: tuple[str, ...], *, border: Any = 0) -> None:
    for place, (width, cell) in enumerate(zip(_WIDTHS, cells, strict=False)):
        align = "R" if words.COLUMNS[place] in {"Amount", "Balance"} else "L"
        paper.cell(w=width, h=_ROW, text=cell, align=align, border=border)
    paper.multi_cell(
        w=_REASON, h=_ROW, text=cells[-1], border=border, align="L", padding=(0, 0, 0, 2),
        new_x=XPos.LMARGIN, new_y=YPos.NEXT,
    )  # fmt: skip


def _line(paper: _Paper, text: str, *, width: float = 0, align: str = "L", height: float = 5) -> None:
    paper.cell(w=width, h=height, text=text, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
