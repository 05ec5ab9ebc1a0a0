"""What the documents of a statement say alike."""

from __future__ import annotations

from accounts.models import LedgerKind, TransferKind
from accounts.statement_pages import PagedSection
from accounts.statement_selectors import Section, Statement
from instruments.scaling import text

COLUMNS = ("Time (UTC)", "Transfer", "Kind", "Amount", "Balance", "Trade", "Reason")


def heading(section: Section | PagedSection) -> str:
    """The asset, and whether it was lent."""
    return f"{section.asset}, credit" if section.kind == LedgerKind.CREDIT else section.asset


def name_of(statement: Statement) -> str:
    """A file's name without its end."""
    return f"statement-{statement.account.account_number}-{statement.period}".replace(" ", "-")


def rows(section: Section | PagedSection) -> list[tuple[str, ...]]:
    """The lines as texts, in the order of COLUMNS."""
    return [
        (
            f"{line.at:%Y-%m-%d %H:%M:%S}",
            str(line.transfer_id),
            TransferKind(line.kind).label,
            text(line.amount, section.decimals),
            text(line.balance_after, section.decimals),
            str(line.trade_id or ""),
            line.reason,
        )
        for line in section.lines
    ]


def sums(section: Section | PagedSection) -> list[tuple[str, str]]:
    """Opening, in, out and closing, which add up."""
    figures = (
        ("Opening balance", section.opening),
        ("In", section.credited),
        ("Out", -section.debited),
        ("Closing balance", section.closing),
    )
    return [(name, text(value, section.decimals)) for name, value in figures]
