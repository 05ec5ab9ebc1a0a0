"""Doors to one's own accounts, balances and ledger. Another person's account is simply not there."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors
from accounts.api.callers import reach_of
from accounts.api.rendering import account_json, balance_json, ledger_line_json
from accounts.api.serializers import (
    AccountShape,
    BalanceShape,
    LedgerLineShape,
    LedgerQuery,
    StatementQuery,
    StatementShape,
)
from accounts.documents.statement_json import statement_json
from accounts.exporting import own_ledger
from accounts.statement_selectors import Period, statement_of
from tradeplatform.common.api_input import parse
from tradeplatform.common.api_shapes import list_of, page_of


class AccountListView(APIView):
    """GET /accounts."""

    @extend_schema(operation_id="accounts_list", tags=["accounts"], responses=list_of(AccountShape))
    def get(self, request: Request) -> Response:
        """My trading accounts."""
        return Response({"results": [account_json(row) for row in selectors.accounts_of(reach_of(request))]})


class BalanceListView(APIView):
    """GET /accounts/{account}/balances."""

    @extend_schema(operation_id="accounts_balances", tags=["accounts"], responses=list_of(BalanceShape))
    def get(self, request: Request, account: int) -> Response:
        """What the account owns of each asset, and what of it is held."""
        selectors.require_own_account(reach_of(request), account)
        return Response({"results": [balance_json(row) for row in selectors.balances_of(account)]})


class LedgerView(APIView):
    """GET /accounts/{account}/ledger."""

    @extend_schema(
        operation_id="accounts_ledger",
        tags=["accounts"],
        parameters=[LedgerQuery],
        responses=page_of(LedgerLineShape),
    )
    def get(self, request: Request, account: int) -> Response:
        """Every movement of the account's money, newest first."""
        query = parse(LedgerQuery, request.query_params)
        selectors.require_own_account(reach_of(request), account)
        page = selectors.ledger_of(
            account_id=account, asset=query.get("asset"), cursor=query.get("cursor"), limit=query["limit"]
        )
        return Response(page.render([ledger_line_json(line) for line in page.rows]))


class StatementView(APIView):
    """GET /accounts/{account}/statement."""

    @extend_schema(
        operation_id="accounts_statement",
        tags=["accounts"],
        parameters=[StatementQuery],
        responses=StatementShape,
    )
    def get(self, request: Request, account: int) -> Response:
        """What the account owned before the first day, what moved it, and what it owned after the last."""
        query = parse(StatementQuery, request.query_params)
        own = selectors.accounts_of(reach_of(request))
        found = own.filter(id=selectors.require_own_account(reach_of(request), account))
        return Response(statement_json(statement_of(found.get(), Period(query["from"], query["to"]))))


class LedgerExportView(APIView):
    """GET /accounts/{account}/ledger/export."""

    @extend_schema(
        operation_id="accounts_ledger_export",
        tags=["accounts"],
        parameters=[StatementQuery],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request, account: int) -> StreamingHttpResponse:
        """Every movement of the account's money in a period as a CSV file, however many; oldest first."""
        query = parse(StatementQuery, request.query_params)
        selectors.require_own_account(reach_of(request), account)
        pieces = own_ledger(account, Period(query["from"], query["to"]))
        return StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
