"""Cancel somebody's price alert: with a reason, recorded, once, not after it fired."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Role
from orders.market.models import PriceAlert
from orders.market.services.following import follow
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import NOW

REASON = "asked by phone"


@pytest.fixture
def alert(lived: Lived) -> PriceAlert:
    """Waits for 50500."""
    return PriceAlert.objects.get()


def test_cancels_and_is_recorded(sign_in: SignIn, alert: PriceAlert) -> None:
    client = sign_in(Role.SUPPORT)

    answer = press(client, act(PriceAlert, alert.pk, "cancel"), reason=REASON)

    assert answer.status_code == 302
    alert.refresh_from_db()
    assert alert.state == "cancelled"
    (record,) = recorded("market.alert.cancel")
    assert (record.reason, record.before, record.after) == (
        REASON,
        {"state": "active"},
        {"state": "cancelled"},
    )


def test_pressed_twice_cancels_once(boss: Client, alert: PriceAlert) -> None:
    button = act(PriceAlert, alert.pk, "cancel")
    data = filled(boss, button, reason=REASON)

    boss.post(button, data)
    second = boss.post(button, data)

    assert "cancelled already" in said(second)
    assert len(recorded("market.alert.cancel")) == 1


def test_wants_a_reason_and_shows_the_effect(boss: Client, alert: PriceAlert) -> None:
    button = act(PriceAlert, alert.pk, "cancel")

    asked = boss.get(button)

    assert [effect.label for effect in asked.context["effects"]] == ["State", "Waits for"]
    assert errors(press(boss, button, reason="")) == {"reason": ["This field is required."]}
    alert.refresh_from_db()
    assert alert.state == "active"


def test_is_forbidden_without_the_right(sign_in: SignIn, alert: PriceAlert) -> None:
    answer = sign_in(Role.COMPLIANCE_OFFICER).post(
        act(PriceAlert, alert.pk, "cancel"), {"reason": REASON, "request_id": "x"}
    )

    assert answer.status_code == 403
    alert.refresh_from_db()
    assert alert.state == "active"


def test_a_fired_alert_shows_its_trade_and_no_button(boss: Client, lived: Lived, alert: PriceAlert) -> None:
    lived.market.sell(lived.seller, "0.1", 50600)
    lived.market.buy(lived.buyer, 3, 50600)
    lived.market.drain()
    follow(now=NOW)

    page = boss.get(address(PriceAlert, "change", alert.pk))

    alert.refresh_from_db()
    assert f"/admin/orders/trade/{alert.trade_id}/" in page.content.decode()
    assert [item["button"].name for item in page.context["buttons"]] == []
