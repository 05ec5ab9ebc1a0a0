"""Fees and P&L of some days, of clients cut in several ways and of the house: with bars, and as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from accounts.admin.statements import period_asked
from accounts.documents.report import report_csv
from accounts.house_selectors import COLUMNS as HOUSE_COLUMNS
from accounts.house_selectors import HouseResult, house_results
from accounts.statement_selectors import Period
from instruments.models import Asset, Realm
from instruments.scaling import grouped, short_text, text
from orders.history.results import COLUMNS, By, Result, results
from tradeplatform.common.admin import show
from tradeplatform.common.admin.panels import Table, columns
from tradeplatform.common.errors import Refusal

PERMISSION = "history.view_liveposition"
_AMOUNTS = ("volume", "realised", "swap", "fees", "net")
_HEADINGS = [f"#{name.capitalize()}" for name in _AMOUNTS]
_HOUSE = "house"
_LABELS = {
    By.ACCOUNT.value: "Accounts",
    By.INSTRUMENT.value: "Instruments",
    By.BOOK.value: "Books",
    By.DAY.value: "Days",
    _HOUSE: "House",
}
_QUESTIONS = (
    "What was traded, what did clients earn by it, and what did they pay us?",
    "What did we earn on the exchange, with the dealing desk, and otherwise, by the ledger?",
)


def report_view(request: HttpRequest) -> HttpResponse:
    """The report of `from` to `to` (this month), `by` instrument and of live accounts unless told."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    by = request.GET.get("by", "")
    by = by if by in _LABELS else By.INSTRUMENT.value
    realm = next((realm for realm in Realm if realm == request.GET.get("realm")), Realm.LIVE)
    context: dict[str, Any] = admin.site.each_context(request) | {
        "title": "Fees and P&L",
        "by": by,
        "realm": realm,
        "question": _QUESTIONS[by == _HOUSE],
    }
    try:
        period = period_asked(request)
    except Refusal as refusal:
        context |= {"warning": refusal.message}
        return TemplateResponse(request, "history/report.html", context, status=refusal.status)
    cut = _house(period, realm) if by == _HOUSE else _clients(period, By(by), realm)
    if request.GET.get("format") == "csv":
        name = f"results-{realm}-by-{by}-{period}.csv".replace(" ", "-")
        return HttpResponse(
            report_csv(cut.columns, cut.cells),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
    context |= {
        "period": period,
        "tabs": [(label, _address(period, other, realm), other == by) for other, label in _LABELS.items()],
        "realms": [(of.label, _address(period, by, of), of == realm) for of in Realm],
        "csv": _address(period, by, realm, format="csv"),
        "panels": cut.panels,
    }
    return TemplateResponse(request, "history/report.html", context)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A report cut one way: as rows of a file, and as panels of the page."""

    columns: Sequence[str]
    cells: Sequence[Sequence[Any]]
    panels: Sequence[Table]


def _clients(period: Period, by: By, realm: Realm) -> _Cut:
    found = results(period, by, realm)
    return _Cut(COLUMNS, [row.cells() for row in found], _panels(found, by))


def _house(period: Period, realm: Realm) -> _Cut:
    found = house_results(period, realm)
    return _Cut(HOUSE_COLUMNS, [row.cells() for row in found], _house_panels(found))


def _address(period: Period, by: str, realm: Realm, **more: str) -> str:
    asked = {"by": by, "realm": realm.value, "from": str(period.first), "to": str(period.last)}
    return f"{reverse('admin:report')}?{urlencode(asked | more)}"


def _house_panels(found: Sequence[HouseResult]) -> list[Table]:
    """One for each asset; above zero we earned."""
    codes = sorted({row.asset for row in found})
    decimals = dict(Asset.objects.filter(code__in=codes).values_list("code", "decimals"))
    panels = []
    for code in codes:
        rows = [row for row in found if row.asset == code]
        most = max(abs(row.net) for row in rows)
        names = HOUSE_COLUMNS[2:]
        together = [sum((getattr(row, name) for row in rows), Decimal(0)) for name in names]
        panels.append(
            Table(
                f"In {code}",
                columns("Book", *(f"#{_heading(name)}" for name in names), "Paid / earned"),
                [
                    [
                        row.book.capitalize(),
                        *(_number(getattr(row, name), decimals[code]) for name in names),
                        _bar(row.net, most),
                    ]
                    for row in rows
                ]
                + [["Together", *(_number(value, decimals[code]) for value in together), ""]],
                empty="",
            )
        )
    return panels


def _heading(name: str) -> str:
    return "P&L" if name == "pnl" else name.capitalize()


def _panels(found: Sequence[Result], by: By) -> list[Table]:
    """One for each asset: amounts of different assets are never added."""
    codes = {row.asset for row in found}
    decimals = dict(Asset.objects.filter(code__in=codes).values_list("code", "decimals"))
    return [_panel(code, decimals[code], found, by) for code in sorted(codes)]


def _panel(asset: str, decimals: int, found: Sequence[Result], by: By) -> Table:
    rows = [row for row in found if row.asset == asset]
    most = max((abs(row.net) for row in rows), default=Decimal(0))
    sums = [sum((getattr(row, name) for row in rows), Decimal(0)) for name in _AMOUNTS]
    return Table(
        f"In {asset}",
        columns(
            by.capitalize(), "#Executions", "#Volume", "#Realised", "#Swap", "#Fees", "#Net", "Loss / profit"
        ),
        [[row.name, row.executions, *_numbers(row, decimals), _bar(row.net, most)] for row in rows]
        + [["Together", sum(row.executions for row in rows), *(_number(s, decimals) for s in sums), ""]],
        empty="",
    )


def _numbers(row: Result, decimals: int) -> list[SafeString]:
    return [_number(getattr(row, name), decimals) for name in _AMOUNTS]


def _number(value: Decimal, decimals: int) -> SafeString:
    """To the asset's unit: a profit by average cost may have no last digit. The file has all of them."""
    return show.number(grouped(short_text(Decimal(text(value, decimals)))))


def _bar(net: Decimal, most: Decimal) -> SafeString:
    """A loss to the left of the middle, a profit to the right, in proportion to the largest."""
    loss, profit = max(-net, Decimal(0)), max(net, Decimal(0))
    return show.bar(
        (most - loss, "none"), (loss, "bad"), (profit, "good"), (most - profit, "none"), title=short_text(net)
    )
