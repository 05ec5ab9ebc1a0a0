"""Doors to one's own money: withdraw, transfer between own accounts, look at requests, take one back.

Another person's account, and a request of one, is simply not there.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import selectors
from accounts.api.callers import actor_of, reach_of
from accounts.api.money_shapes import (
    MoneyListQuery,
    MoneyRequestShape,
    TransferInput,
    WithdrawalInput,
    money_request_json,
    stored_request_id,
)
from accounts.models import MoneyKind, MoneyState, Scope, Session
from accounts.services.login import require_fresh
from accounts.services.money_requests import Asked, Wish, cancel_money, request_money
from accounts.services.own_transfers import transfer_soon
from accounts.services.request_ids import conflict
from tradeplatform.common.api_input import parse
from tradeplatform.common.api_shapes import page_of
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.pagination import newest_first

_ANSWERS = {200: MoneyRequestShape, 201: MoneyRequestShape, 202: MoneyRequestShape}


class WithdrawalsView(APIView):
    """POST /accounts/{account}/withdrawals."""

    key_scope = Scope.WITHDRAW

    @extend_schema(
        operation_id="accounts_withdraw",
        tags=["money"],
        request=WithdrawalInput,
        responses=_ANSWERS,
        examples=[
            OpenApiExample(
                "Withdraw",
                value={"asset": "USD", "amount": "250.00", "request_id": "w-1", "reference": "IBAN .. 4711"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, account: int) -> Response:
        """Withdraw. 201: paid; 202: it waits for approval, and the amount is held; 200: asked before.

        In a session that was not confirmed for five minutes, `POST /auth/confirm` comes first; a key needs
        the scope withdraw.

        After a time-out send the same request again with its request_id: it has one effect, for ever.
        Another request under the same id is refused (409).
        """
        if isinstance(request.auth, Session):
            require_fresh(request.auth, now=timezone.now())
        return _asked(request, account, MoneyKind.WITHDRAWAL, parse(WithdrawalInput, request.data))


class TransfersView(APIView):
    """POST /accounts/{account}/transfers."""

    key_scope = Scope.WITHDRAW

    @extend_schema(
        operation_id="accounts_transfer",
        tags=["money"],
        request=TransferInput,
        responses=_ANSWERS,
        examples=[
            OpenApiExample(
                "Transfer",
                value={"to_account": 2, "asset": "USD", "amount": "250.00", "request_id": "t-1"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, account: int) -> Response:
        """Move money to another of my accounts. Statuses and request_id as for a withdrawal."""
        return _asked(request, account, MoneyKind.TRANSFER, parse(TransferInput, request.data))


class MoneyRequestsView(APIView):
    """GET /accounts/{account}/requests."""

    @extend_schema(
        operation_id="accounts_requests",
        tags=["money"],
        parameters=[MoneyListQuery],
        responses=page_of(MoneyRequestShape),
    )
    def get(self, request: Request, account: int) -> Response:
        """What was asked for about the account's money, newest first."""
        query = parse(MoneyListQuery, request.query_params)
        selectors.require_own_account(reach_of(request), account)
        rows = selectors.money_requests_of(account)
        if "request_id" in query:
            rows = rows.filter(identity_id=stored_request_id(account, query["request_id"]))
        page = newest_first([rows], cursor=query.get("cursor"), limit=query["limit"])
        return Response(page.render([money_request_json(row) for row in page.rows]))


class MoneyRequestView(APIView):
    """GET, DELETE /accounts/{account}/requests/{number}."""

    key_scope = Scope.WITHDRAW

    @extend_schema(operation_id="accounts_request", tags=["money"], responses=MoneyRequestShape)
    def get(self, request: Request, account: int, number: int) -> Response:
        """One request."""
        selectors.require_own_account(reach_of(request), account)
        return Response(money_request_json(selectors.require_money_request(account, number)))

    @extend_schema(operation_id="accounts_request_cancel", tags=["money"], responses={200: MoneyRequestShape})
    def delete(self, request: Request, account: int, number: int) -> Response:
        """Take an own request back while it waits; what it held is available again."""
        selectors.require_own_account(reach_of(request), account)
        cancel_money(
            money_id=number,
            account_id=account,
            actor=actor_of(request),
            now=timezone.now(),
            reason="taken back by the client",
        )
        return Response(money_request_json(selectors.require_money_request(account, number)))


def _asked(request: Request, account: int, kind: MoneyKind, given: dict[str, Any]) -> Response:
    selectors.require_own_account(reach_of(request), account)
    wish = Wish(
        kind=kind,
        account_id=account,
        asset=given["asset"],
        amount=given["amount"],
        reason=given.get("reason") or "asked for by the client",
        request_id=stored_request_id(account, given["request_id"]),
        to_account_id=given.get("to_account"),
        reference=given.get("reference", ""),
    )
    actor = actor_of(request)
    try:
        if kind == MoneyKind.TRANSFER:
            asked = transfer_soon(wish, actor=actor)
        else:
            asked = request_money(wish, actor=actor, now=timezone.now())
    except Refusal as refusal:
        if refusal.code != Code.REQUEST_ID_CONFLICT:
            raise
        raise conflict(given["request_id"]) from refusal
    return Response(money_request_json(asked.request), status=_status(asked))


def _status(asked: Asked) -> int:
    if asked.repeated:
        return status.HTTP_200_OK
    done = asked.request.state == MoneyState.DONE
    return status.HTTP_201_CREATED if done else status.HTTP_202_ACCEPTED
