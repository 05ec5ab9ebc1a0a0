"""The running platform as one thing: an order goes in by HTTP and is matched, under one id all the way."""

from __future__ import annotations

import json
from decimal import Decimal

import httpx
import pytest
from django.conf import settings

from accounts.models import TradingAccount
from instruments.models import Asset
from orders.models import Command, Order, OrderStatus
from tests.factories import make_instrument
from tests.running import Platform
from tests.tradeplatform.supervisor.waiting import wait_for

pytestmark = pytest.mark.live

ID = "live-test:order-1"


def test_an_order_is_followed_from_the_door_to_the_book(platform: Platform) -> None:
    logins = json.loads((platform.var_dir / "operator.json").read_text())["logins"]
    password = logins["trader1"]["password"]
    account = TradingAccount.objects.get(account_number="ACC-000001")
    symbol = make_instrument(quote=Asset.objects.get(code="USD")).symbol
    with httpx.Client(base_url=f"{platform.base_url}/api/v1/") as api:
        tokens = api.post("auth/login", json={"username": "trader1", "password": password}).json()
        order = {
            "account": account.pk,
            "symbol": symbol,
            "side": "buy",
            "type": "limit",
            "price": "45000.00",
            "quantity": "0.0100",
        }
        headers = {"Authorization": f"Bearer {tokens['access']}", "X-Correlation-ID": ID}
        answer = api.post("orders", json=order, headers=headers)
    assert answer.status_code in {201, 202}, answer.text
    assert answer.headers["X-Correlation-ID"] == ID
    placed = Order.objects.get(pk=answer.json()["id"])
    assert (placed.correlation_id, placed.price) == (ID, Decimal(45000))
    assert Command.objects.get(order_id=placed.pk).correlation_id == ID
    wait_for(
        lambda: Order.objects.get(pk=placed.pk).status == OrderStatus.OPEN,
        "the shard's worker to open the order",
    )
    wait_for(
        lambda: any(ID in log.read_text() for log in (platform.var_dir / "log").glob("shard-*.log")),
        "the worker's log to name the request",
    )
    web_log = (platform.var_dir / "log" / "web.log").read_text()
    assert f"request_id={ID}" in web_log
    assert password not in web_log
    assert tokens["access"] not in web_log


def test_pages_are_served_with_their_style_sheets(platform: Platform) -> None:
    with httpx.Client(base_url=platform.base_url, follow_redirects=True) as visitor:
        login = visitor.get("/")
        assert login.status_code == 200
        assert login.url.path == "/admin/login/"
        sheet = visitor.get(f"{settings.STATIC_URL}unfold/css/styles.css")
        assert sheet.headers["Content-Type"].startswith("text/css")
        document = visitor.get("/api/docs")
        assert "cdn" not in document.text


def test_a_body_that_is_too_large_leaves_the_connection_usable(platform: Platform) -> None:
    with httpx.Client(base_url=f"{platform.base_url}/api/v1/") as api:
        for _attempt in range(3):
            answer = api.post("auth/login", json={"username": "x" * 1_100_000})
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
            assert api.get("instruments").status_code == 200


def test_a_body_that_was_refused_unread_leaves_the_connection_usable(platform: Platform) -> None:
    with httpx.Client(base_url=f"{platform.base_url}/api/v1/") as api:
        for _attempt in range(3):
            answer = api.post(
                "orders/batch", content=b"x" * 1_100_000, headers={"Authorization": "Bearer old"}
            )
            assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
            assert api.get("instruments").status_code == 200


def test_the_socket_port_serves_sockets_only(platform: Platform) -> None:
    base = platform.ws_url.replace("ws://", "http://").removesuffix("/ws/v1")
    assert httpx.get(f"{base}/health/live").status_code == 200
    assert httpx.get(f"{base}/admin/").status_code == 404
    assert httpx.get(f"{base}/api/v1/instruments").status_code == 404
