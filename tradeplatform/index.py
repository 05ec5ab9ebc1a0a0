"""The first page of API v1: where everything is that a stranger may look at, and what says the rest."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tradeplatform.common.addresses import feed_address


class IndexShape(serializers.Serializer[Any]):
    """Addresses, each whole."""

    version = serializers.CharField(help_text="Of the API.")
    docs = serializers.URLField(help_text="This document, as a page.")
    openapi = serializers.URLField(help_text="This document.")
    instruments = serializers.URLField(help_text="The catalogue of instruments.")
    tickers = serializers.URLField(help_text="All markets at a glance.")
    login = serializers.URLField(help_text="For all that is not public: POST a name and a password.")
    feed = serializers.CharField(help_text="The socket.")


class IndexView(APIView):
    """GET /."""

    permission_classes = (AllowAny,)

    @extend_schema(operation_id="api_index", tags=["index"], responses=IndexShape)
    def get(self, request: Request) -> Response:
        """Where to begin."""
        names = {
            "docs": "docs",
            "openapi": "schema",
            "instruments": "instruments",
            "tickers": "tickers",
            "login": "auth-login",
        }
        links = {name: request.build_absolute_uri(reverse(route)) for name, route in names.items()}
        http = request._request  # noqa: SLF001
        version = settings.SPECTACULAR_SETTINGS["VERSION"]
        return Response({"version": version, **links, "feed": feed_address(http)})
