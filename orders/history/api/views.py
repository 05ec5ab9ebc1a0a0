"""Doors to one's own positions over time and portfolios. Another person's are simply not there."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import caller, reach_of
from accounts.documents.report import report_json
from accounts.selectors import require_own_account
from accounts.statement_selectors import Period
from instruments.selectors import require_rules
from orders.history.api.serializers import (
    ContentShape,
    HistoryQuery,
    HistoryShape,
    MomentQuery,
    PortfolioShape,
    ReportQuery,
    ReportShape,
)
from orders.history.models import Portfolio
from orders.history.rendering import bin_json, content_json, position_json
from orders.history.results import COLUMNS, results
from orders.history.selectors import bins, position_at, width_of
from orders.history.services.portfolios import content_of
from tradeplatform.common.api_input import parse
from tradeplatform.common.api_shapes import list_of
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.ids import is_id
from tradeplatform.common.times import rfc3339


class PositionHistoryView(APIView):
    """GET /accounts/{account}/positions/history."""

    @extend_schema(
        operation_id="accounts_positions_history",
        tags=["accounts"],
        parameters=[HistoryQuery],
        responses=HistoryShape,
    )
    def get(self, request: Request, account: int) -> Response:
        """The position in an instrument at a moment, to the microsecond, or over windows of time.

        Fills of the last second may still be missing. Executions of one microsecond count together.
        """
        query = parse(HistoryQuery, request.query_params)
        require_own_account(reach_of(request), account)
        rules = require_rules(query["instrument"])
        at, width = query.get("at"), query.get("bins")
        answer = {
            "instrument": rules.symbol,
            "at": at and rfc3339(at),
            "position": None,
            "bins": None,
        }
        if width is None:
            found = position_at(instrument_id=rules.id, account_ids=[account], at=at)
            return Response(answer | {"position": position_json(found)})
        rows = bins(
            instrument_id=rules.id,
            account_ids=[account],
            start=query["start"],
            end=query["end"],
            width=width_of(width),
        )
        return Response(answer | {"bins": [bin_json(row) for row in rows]})


class ReportView(APIView):
    """GET /accounts/{account}/report."""

    @extend_schema(
        operation_id="accounts_report",
        tags=["accounts"],
        parameters=[ReportQuery],
        responses=list_of(ReportShape),
    )
    def get(self, request: Request, account: int) -> Response:
        """Fees, volume and profit of some days, UTC. Fills of the last second may still be missing."""
        query = parse(ReportQuery, request.query_params)
        require_own_account(reach_of(request), account)
        found = results(Period(query["from"], query["to"]), query["by"], account_id=account)
        return Response({"results": report_json(COLUMNS, [row.cells() for row in found])})


class PortfolioListView(APIView):
    """GET /portfolios."""

    key_scope = None

    @extend_schema(operation_id="portfolios_list", tags=["accounts"], responses=list_of(PortfolioShape))
    def get(self, request: Request) -> Response:
        """My portfolios."""
        own = Portfolio.objects.filter(owner=caller(request)).prefetch_related("accounts", "instruments")
        rows = [
            {
                "id": row.pk,
                "name": row.name,
                "accounts": sorted(account.pk for account in row.accounts.all()),
                "instruments": sorted(instrument.symbol for instrument in row.instruments.all()),
            }
            for row in own.order_by("id")
        ]
        return Response({"results": rows})


class PortfolioView(APIView):
    """GET /portfolios/{portfolio}/positions."""

    key_scope = None

    @extend_schema(
        operation_id="portfolios_positions",
        tags=["accounts"],
        parameters=[MomentQuery],
        responses=ContentShape,
    )
    def get(self, request: Request, portfolio: int) -> Response:
        """Its positions by instrument, now or at a moment, and what they come to in each quote asset."""
        query = parse(MomentQuery, request.query_params)
        own = Portfolio.objects.filter(owner=caller(request), pk=portfolio) if is_id(portfolio) else None
        found = own and own.first()
        if not found:
            raise Refusal(Code.NOT_FOUND, "No such portfolio.", portfolio=str(portfolio))
        return Response(content_json(content_of(found, at=query.get("at"))))
