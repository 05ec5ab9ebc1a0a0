"""Statements in the back office: pages with charts, and the whole of it as PDF and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from accounts.documents import words
from accounts.documents.chart import steps_chart
from accounts.documents.statement_csv import statement_csv
from accounts.documents.statement_pdf import statement_pdf
from accounts.models import TradingAccount, Transfer
from accounts.statement_pages import PagedSection, paged_statement
from accounts.statement_selectors import Period, Statement, statement_of
from instruments.scaling import grouped
from tradeplatform.common.admin import show
from tradeplatform.common.admin.filters import as_id
from tradeplatform.common.admin.panels import Custom
from tradeplatform.common.errors import Refusal

PERMISSION = "accounts.view_transfer"
URL_NAME = "accounts_tradingaccount_statement"
_PAGE = "accounts/statement_page.html"


def statement_view(
    request: HttpRequest, account: TradingAccount | None, context: dict[str, Any]
) -> HttpResponse:
    """The statement of `from` to `to`, this month unless told; `format` csv or pdf downloads it."""
    if not request.user.has_perm(PERMISSION) or not request.user.has_perm("accounts.view_tradingaccount"):
        raise PermissionDenied
    if account is None:
        raise Http404
    context |= {
        "title": f"Statement of {account}",
        "back": show.page_of(account, account.pk),
        "account": account,
        "choices": choices(account),
    }
    try:
        period = period_asked(request)
        if form := _FILES.get(request.GET.get("format", "")):
            return form(statement_of(account, period))
    except Refusal as refusal:
        return TemplateResponse(
            request,
            "accounts/statement_page.html",
            context | {"warning": refusal.message},
            status=refusal.status,
        )
    ledger_id, after = as_id(request.GET.get("ledger", "")), as_id(request.GET.get("after", ""))
    found = paged_statement(account, period, ledger_id=ledger_id, after=after if ledger_id else None)
    context |= {
        "period": period,
        "columns": words.COLUMNS,
        "files": {name: address(account, period, format=name) for name in _FILES},
        "whole": address(account, period) if ledger_id else "",
        "sections": [
            {
                "heading": words.heading(section),
                "sums": [(name, grouped(value)) for name, value in words.sums(section)],
                "rows": [_row(cells) for cells in words.rows(section)],
                "chart": steps_chart(period, section, section.points),
                "count": section.count,
                "more": _next(account, period, section),
            }
            for section in found
        ],
    }
    return TemplateResponse(request, _PAGE, context)


def _row(cells: Sequence[str]) -> list[SafeString | str]:
    """A line for the screen: thousands apart, the transfer as a link."""
    time, transfer, kind, amount, balance, *rest = cells
    return [time, show.ref_to(Transfer, transfer), kind, grouped(amount), grouped(balance), *rest]


def _next(account: TradingAccount, period: Period, section: PagedSection) -> str:
    """Where the lines after these are; nowhere when they are the last."""
    if not section.more:
        return ""
    return address(account, period, ledger=str(section.ledger_id), after=str(section.lines[-1].transfer_id))


def panel(account: TradingAccount) -> Custom:
    """Where to the account's statements, on its page."""
    return Custom("Statements", "accounts/statement_choices.html", {"choices": choices(account)}, wide=False)


def choices(account: TradingAccount) -> list[tuple[str, str]]:
    """The periods people ask for most."""
    today = timezone.now().date()
    last = today.replace(day=1) - timedelta(days=1)
    periods = {
        "Today": Period(today, today),
        "Yesterday": Period(today - timedelta(days=1), today - timedelta(days=1)),
        f"{today:%B %Y}": Period.of_month(today.year, today.month),
        f"{last:%B %Y}": Period.of_month(last.year, last.month),
    }
    return [(name, address(account, period)) for name, period in periods.items()]


def address(account: TradingAccount, period: Period, **more: str) -> str:
    """Of a statement's page."""
    query = urlencode({"from": str(period.first), "to": str(period.last)} | more)
    return f"{reverse(f'admin:{URL_NAME}', args=[account.pk])}?{query}"


def period_asked(request: HttpRequest) -> Period:
    """The days `from` and `to` of the address, those of this month unless told. Raises Refusal."""
    today = timezone.now().date()
    this = Period.of_month(today.year, today.month)
    return Period(_day(request.GET.get("from"), this.first), _day(request.GET.get("to"), this.last))


def _day(text: str | None, otherwise: date) -> date:
    """A day from the address; what is none is left out, as in the lists' filters."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return otherwise


def _csv(statement: Statement) -> HttpResponse:
    return _file(statement, "csv", statement_csv(statement).encode(), "text/csv; charset=utf-8")


def _pdf(statement: Statement) -> HttpResponse:
    return _file(statement, "pdf", statement_pdf(statement), "application/pdf")


def _file(statement: Statement, end: str, data: bytes, content_type: str) -> HttpResponse:
    name = f"{words.name_of(statement)}.{end}"
    return HttpResponse(
        data, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


_FILES = {"pdf": _pdf, "csv": _csv}
