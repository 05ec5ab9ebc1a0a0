"""Addresses that fail in each way a view can fail, for test_api_errors."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tradeplatform.common.errors import Code, Refusal

FAULTS: dict[str, Exception] = {
    "refusal": Refusal(Code.INSUFFICIENT_FUNDS, "You have 5 USD and need 7.", available="5", required="7"),
    "missing": Http404("secret detail"),
    "forbidden": PermissionDenied("secret detail"),
    "database": OperationalError("server closed the connection to 10.0.0.7"),
    "throttled": exceptions.Throttled(wait=3.2),
    "fault": ZeroDivisionError("secret detail"),
}


class FailingView(APIView):
    """Raises what the address names."""

    permission_classes = [AllowAny]
    throttle_classes: list[Any] = []

    def get(self, request: Request, what: str) -> Response:
        """Fail."""
        raise FAULTS[what]


class _Inner(serializers.Serializer[Any]):
    quantity = serializers.DecimalField(max_digits=10, decimal_places=2)


class _Outer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    legs = _Inner(many=True)


class EchoView(APIView):
    """Checks its body and answers with what it understood."""

    permission_classes = [AllowAny]
    throttle_classes: list[Any] = []

    def post(self, request: Request) -> Response:
        """Validate and echo."""
        checked = _Outer(data=request.data)
        checked.is_valid(raise_exception=True)
        return Response(checked.validated_data)


class ClosedView(APIView):
    """Needs a login."""

    throttle_classes: list[Any] = []

    def get(self, request: Request) -> Response:
        """Never reached without one."""
        return Response({})


urlpatterns = [
    path("api/v1/fail/<str:what>", FailingView.as_view()),
    path("api/v1/echo", EchoView.as_view()),
    path("api/v1/closed", ClosedView.as_view()),
]

handler400 = "tradeplatform.fallbacks.bad_request"
handler404 = "tradeplatform.fallbacks.not_found"
handler500 = "tradeplatform.fallbacks.server_error"
