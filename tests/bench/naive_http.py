"""Orders over HTTP as a plain REST framework view takes them: what bench_http compares with."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeplatform.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from typing import Any  # noqa: E402

from django.conf import settings  # noqa: E402
from django.db import transaction  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.serializers import CharField, ModelSerializer, SlugRelatedField  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from instruments.models import Instrument  # noqa: E402
from orders.models import Order, OrderStatus, Source, TimeInForce  # noqa: E402
from orders.services.requests import NewOrder  # noqa: E402
from tests.bench.order_ways import naive  # noqa: E402


class _OrderSerializer(ModelSerializer[Order]):
    symbol = SlugRelatedField(slug_field="symbol", source="instrument", queryset=Instrument.objects.all())
    client_order_id = CharField()

    class Meta:
        model = Order
        fields = ("id", "account", "symbol", "side", "type", "quantity", "price", "client_order_id", "status")
        read_only_fields = ("id", "status")


class SaveView(APIView):
    """Looks at the fields and saves the row; nothing is held, matched or settled."""

    def post(self, request: Request) -> Response:
        """Save one order."""
        serializer = _OrderSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = serializer.validated_data
        now, instrument = timezone.now(), fields["instrument"]
        with transaction.atomic():
            serializer.save(
                created_at=now,
                updated_at=now,
                time_in_force=TimeInForce.GTC,
                leaves=fields["quantity"],
                maker_fee_rate=instrument.maker_fee,
                taker_fee_rate=instrument.taker_fee,
                held=0,
                status=OrderStatus.OPEN,
                source=Source.API,
            )
        return Response(serializer.data, status=201)


class SettleView(APIView):
    """Does in its one transaction what the platform does: matches by a query, saves each row that changes."""

    def post(self, request: Request) -> Response:
        """Take, match and settle one order."""
        serializer = _OrderSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = serializer.validated_data
        naive(
            [
                NewOrder(
                    account_id=fields["account"].pk,
                    symbol=fields["instrument"].symbol,
                    side=fields["side"],
                    type=fields["type"],
                    quantity=fields["quantity"],
                    price=fields["price"],
                )
            ]
        )
        return Response(serializer.validated_data["client_order_id"], status=201)


urlpatterns = [path("naive/save", SaveView.as_view()), path("naive/settle", SettleView.as_view())]
settings.ROOT_URLCONF = __name__
