"""Public doors to the catalogue of instruments."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from instruments.api.rendering import instrument_json
from instruments.api.serializers import InstrumentShape
from instruments.selectors import find_instrument, listed_instruments
from tradeplatform.common.api_shapes import list_of


class InstrumentListView(APIView):
    """GET /instruments."""

    permission_classes = (AllowAny,)

    @extend_schema(operation_id="instruments_list", tags=["market data"], responses=list_of(InstrumentShape))
    def get(self, request: Request) -> Response:
        """Every instrument, by symbol."""
        return Response({"results": [instrument_json(row) for row in listed_instruments()]})


class InstrumentView(APIView):
    """GET /instruments/{symbol}."""

    permission_classes = (AllowAny,)

    @extend_schema(operation_id="instruments_retrieve", tags=["market data"], responses=InstrumentShape)
    def get(self, request: Request, symbol: str) -> Response:
        """One instrument: filters, fees, status, precision."""
        return Response(instrument_json(find_instrument(symbol)))
