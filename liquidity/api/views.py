"""Doors to one's own leveraged positions and margin. Another person's account is simply not there.

Every act names a `request_id`: sent again, it answers with the same deals and does nothing.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.callers import actor_of, reach_of
from accounts.models import Deal, Scope
from accounts.selectors import require_own_account
from liquidity import selectors
from liquidity.api import inputs, rendering, shapes
from liquidity.services import dealing
from liquidity.services.dealing import Ask, DealSide, Exits
from liquidity.services.resetting import reset_account
from tradeplatform.common.api_input import parse
from tradeplatform.common.api_shapes import page_of

_TAGS = ["positions"]


class PositionsView(APIView):
    """GET, POST /accounts/{account}/positions."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="leveraged_positions_list",
        tags=_TAGS,
        parameters=[inputs.PositionsQuery],
        responses=page_of(shapes.LeveragedPositionShape),
    )
    def get(self, request: Request, account: int) -> Response:
        """Open positions with what they are worth now, or closed ones, newest first."""
        query = parse(inputs.PositionsQuery, request.query_params)
        require_own_account(reach_of(request), account)
        owner = selectors.account_of(account)
        decimals = owner.currency.decimals
        if query["state"] == "open":
            rows = [
                rendering.position_json(position, decimals=decimals, worth=worth)
                for position, worth in selectors.open_positions(owner, now=timezone.now())
            ]
            return Response({"results": rows, "next_cursor": None})
        page = selectors.closed_positions(account, cursor=query.get("cursor"), limit=query["limit"])
        return Response(page.render([rendering.position_json(row, decimals=decimals) for row in page.rows]))

    @extend_schema(
        operation_id="leveraged_positions_open",
        tags=_TAGS,
        request=inputs.OpenInput,
        responses=shapes.DealsShape,
    )
    def post(self, request: Request, account: int) -> Response:
        """Buy or sell contracts at the price of now. In netting mode this adds, reduces, closes or flips."""
        asked = parse(inputs.OpenInput, request.data)
        deals = dealing.open_position(
            _ask(request, account, asked),
            symbol=asked["symbol"],
            buys=asked["side"] == DealSide.BUY,
            volume=asked["volume"],
            exits=Exits(asked.get("stop_loss"), asked.get("take_profit")),
        )
        return _answer(account, deals)


class PositionView(APIView):
    """GET, PATCH /accounts/{account}/positions/{position}."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="leveraged_positions_retrieve", tags=_TAGS, responses=shapes.PositionDetailShape
    )
    def get(self, request: Request, account: int, position: int) -> Response:
        """One position with all its deals."""
        require_own_account(reach_of(request), account)
        return Response(_position(account, position))

    @extend_schema(
        operation_id="leveraged_positions_exits",
        tags=_TAGS,
        request=inputs.ExitsInput,
        responses=shapes.PositionDetailShape,
    )
    def patch(self, request: Request, account: int, position: int) -> Response:
        """Set or take away stop loss and take profit, or move the stop loss to the entry."""
        asked = parse(inputs.ExitsInput, request.data)
        ask = _ask(request, account, asked)
        if asked["break_even"]:
            dealing.break_even(ask, position_id=position)
        else:
            changes = {name: value for name, value in asked.items() if name in {"stop_loss", "take_profit"}}
            dealing.amend_exits(ask, position_id=position, changes=changes)
        return Response(_position(account, position))


class CloseView(APIView):
    """POST /accounts/{account}/positions/{position}/close."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="leveraged_positions_close",
        tags=_TAGS,
        request=inputs.CloseInput,
        responses=shapes.DealsShape,
    )
    def post(self, request: Request, account: int, position: int) -> Response:
        """Close all of a position, a part of it, or two against each other."""
        asked = parse(inputs.CloseInput, request.data)
        ask = _ask(request, account, asked)
        if asked.get("by") is not None:
            deals = dealing.close_by(ask, position_id=position, opposite_id=asked["by"])
        else:
            deals = dealing.close_position(ask, position_id=position, volume=asked.get("volume"))
        return _answer(account, deals)


class ReverseView(APIView):
    """POST /accounts/{account}/positions/{position}/reverse."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="leveraged_positions_reverse",
        tags=_TAGS,
        request=inputs.RequestInput,
        responses=shapes.DealsShape,
    )
    def post(self, request: Request, account: int, position: int) -> Response:
        """Close a position and open as much the other way, at one price."""
        asked = parse(inputs.RequestInput, request.data)
        return _answer(account, dealing.reverse_position(_ask(request, account, asked), position_id=position))


class CloseAllView(APIView):
    """POST /accounts/{account}/positions/close-all."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="leveraged_positions_close_all",
        tags=_TAGS,
        request=inputs.CloseAllInput,
        responses=shapes.DealsShape,
    )
    def post(self, request: Request, account: int) -> Response:
        """Close every position, or those in one instrument: all of them or none."""
        asked = parse(inputs.CloseAllInput, request.data)
        return _answer(account, dealing.close_all(_ask(request, account, asked), symbol=asked.get("symbol")))


class ResetView(APIView):
    """POST /accounts/{account}/reset."""

    key_scope = Scope.TRADE

    @extend_schema(
        operation_id="accounts_reset", tags=_TAGS, request=inputs.ResetInput, responses=shapes.ResetShape
    )
    def post(self, request: Request, account: int) -> Response:
        """Begin a demo account anew: orders cancelled, positions closed, the money it started with.

        While orders are being cancelled the answer says `requested`: ask again with the same id.
        """
        asked = parse(inputs.ResetInput, request.data)
        require_own_account(reach_of(request), account)
        reset = reset_account(
            account_id=account,
            balance=asked.get("balance"),
            reason=asked["reason"],
            request_id=asked["request_id"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(rendering.reset_json(reset))


class MarginView(APIView):
    """GET /accounts/{account}/margin."""

    @extend_schema(operation_id="accounts_margin", tags=_TAGS, responses=shapes.MarginShape)
    def get(self, request: Request, account: int) -> Response:
        """Equity, margin, free margin and level by the quotes of now."""
        require_own_account(reach_of(request), account)
        return Response(rendering.margin_json(selectors.margin_of(account, now=timezone.now())))


def _ask(request: Request, account: int, asked: dict[str, Any]) -> Ask:
    require_own_account(reach_of(request), account)
    return Ask(account, asked["request_id"], actor_of(request), timezone.now())


def _answer(account: int, deals: list[Deal]) -> Response:
    decimals = selectors.account_of(account).currency.decimals
    return Response({"deals": rendering.deals_json(deals, decimals=decimals)})


def _position(account: int, number: int) -> dict[str, Any]:
    position, worth = selectors.valued_position(account, number, now=timezone.now())
    decimals = position.account.currency.decimals
    return rendering.position_json(position, decimals=decimals, worth=worth) | {
        "deals": rendering.deals_json(selectors.deals_of(number), decimals=decimals)
    }
