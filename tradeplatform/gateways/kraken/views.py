"""What clients of this dialect ask by HTTP before they can check a book: which digits its numbers have.

An answer is `{"error": [...], "result": ...}`; a refusal is an error in a list, with status 200 as there.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from instruments.models import InstrumentStatus
from instruments.scaling import text
from instruments.selectors import Rules, all_rules, rules_by_symbol
from tradeplatform.common.api_errors import headers_of
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.gateways.kraken.pairs import pair_name, rules_by_pair

#: Which orders are taken; cancels always are.
_STATUS = {
    InstrumentStatus.ACTIVE: "online",
    InstrumentStatus.PRE_OPEN: "limit_only",
    InstrumentStatus.AUCTION: "limit_only",
}
_MAX_NAMES = 100


class AssetPairsView(APIView):
    """GET /0/public/AssetPairs."""

    authentication_classes = ()
    permission_classes = ()
    # Not of API v1.
    schema = None

    def get(self, request: Request) -> HttpResponse:
        """All pairs, or those of `pair`: names or symbols, separated by commas."""
        asked = request.query_params.get("pair")
        if asked is None:
            return _answer({pair_name(rules): _pair(rules) for rules in all_rules()})
        names = asked.split(",")
        if len(names) > _MAX_NAMES:
            return _refusal("EGeneral:Invalid arguments")
        found = rules_by_symbol(names) | rules_by_pair(names)
        if any(name not in found for name in names):
            return _refusal("EQuery:Unknown asset pair")
        return _answer({pair_name(found[name]): _pair(found[name]) for name in names})

    def handle_exception(self, exc: Exception) -> Response:
        """Too many calls, in this dialect; everything else as everywhere."""
        if not (isinstance(exc, Refusal) and exc.code == Code.THROTTLED):
            return super().handle_exception(exc)
        body, status = {"error": ["EAPI:Rate limit exceeded"]}, HTTPStatus.TOO_MANY_REQUESTS
        return Response(body, status=status, headers=headers_of(exc))


def unknown_method(_request: HttpRequest) -> HttpResponse:
    """There is nothing else here."""
    return _refusal("EGeneral:Unknown method")


def _pair(rules: Rules) -> dict[str, Any]:
    return {
        "altname": rules.symbol,
        "wsname": pair_name(rules),
        "aclass_base": "currency",
        "base": rules.base_code,
        "aclass_quote": "currency",
        "quote": rules.quote_code,
        "lot": "unit",
        "pair_decimals": rules.price_decimals,
        "cost_decimals": rules.quote_decimals,
        "lot_decimals": rules.quantity_decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, _percent(rules.taker_fee)]],
        "fees_maker": [[0, _percent(rules.maker_fee)]],
        "fee_volume_currency": rules.quote_code,
        "ordermin": text(rules.min_quantity, rules.quantity_decimals),
        "costmin": text(rules.min_notional, rules.quote_decimals),
        "tick_size": text(rules.tick_size, rules.price_decimals),
        "status": _STATUS.get(rules.status, "cancel_only"),
    }


def _percent(rate: Any) -> orjson.Fragment:
    """A rate in percent, as a JSON number with all its digits."""
    return orjson.Fragment(f"{rate * 100:.4f}")


def _answer(result: dict[str, Any]) -> HttpResponse:
    return _json({"error": [], "result": result})


def _refusal(error: str) -> HttpResponse:
    return _json({"error": [error]})


def _json(body: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(body), content_type="application/json")
