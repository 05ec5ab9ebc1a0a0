"""Cancel one order, cancel all of an account: allowed, forbidden, with a reason, recorded, once."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from accounts.models import Role, TradingAccount
from orders.models import Command, CommandKind, Order, OrderStatus
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import everything_stored, money, stored

REASON = "client asked by phone"


def cancels_waiting() -> int:
    return Command.objects.filter(kind=CommandKind.CANCEL, position=None).count()


class TestCancelOrder:
    def test_cancels_releases_and_is_recorded(self, sign_in: SignIn, lived: Lived) -> None:
        client = sign_in(Role.SUPPORT)
        quote = lived.market.instrument.quote
        # 1 at 49000 and the higher fee rate of 0.1 %.
        assert money(lived.buyer, quote)[1] == "49049"

        answer = press(client, act(Order, lived.resting, "cancel"), reason=REASON)
        lived.market.drain()

        assert answer.status_code == 302
        assert answer.headers["Location"] == address(Order, "change", lived.resting)
        order = stored(lived.resting)
        assert (order.status, order.reason, order.leaves, order.held) == ("cancelled", "operator", 0, 0)
        assert money(lived.buyer, quote)[1] == "0"
        (record,) = recorded("orders.order.cancel")
        command = Command.objects.get(kind=CommandKind.CANCEL, order_id=lived.resting)
        assert (record.actor_id, record.reason, record.target_id) == (
            client.user.id,  # type: ignore[attr-defined]
            REASON,
            str(lived.resting),
        )
        assert record.before == {"status": "open", "leaves": "1", "held": "49049"}
        assert record.after == {"command": command.pk}
        assert record.ip == "127.0.0.1"
        assert (command.actor_id, command.reason) == (record.actor_id, REASON)
        assert f"/admin/orders/command/{command.pk}/change/" in said(answer)

    def test_shows_what_will_be_released(self, sign_in: SignIn, lived: Lived) -> None:
        answer = sign_in(Role.SUPPORT).get(act(Order, lived.resting, "cancel"))

        words = answer.content.decode()
        assert "49\u2009049.00000000" in words
        assert answer.context["effects"][0].after == "Cancelled"

    def test_wants_a_reason(self, sign_in: SignIn, lived: Lived) -> None:
        before = everything_stored()

        answer = press(sign_in(Role.SUPPORT), act(Order, lived.resting, "cancel"), reason="  ")

        assert answer.status_code == 200
        assert errors(answer) == {"reason": ["This field is required."]}
        assert (everything_stored(), cancels_waiting(), recorded("orders.order.cancel")) == (before, 0, [])

    def test_is_forbidden_to_those_who_only_look(self, sign_in: SignIn, lived: Lived) -> None:
        client = sign_in(Role.COMPLIANCE_OFFICER)
        before = everything_stored()

        answer = client.post(act(Order, lived.resting, "cancel"), {"reason": REASON, "request_id": "x"})

        assert answer.status_code == 403
        assert (everything_stored(), cancels_waiting(), recorded("orders.order.cancel")) == (before, 0, [])

    def test_pressed_twice_asks_once(self, sign_in: SignIn, lived: Lived) -> None:
        client = sign_in(Role.SUPPORT)
        button = act(Order, lived.resting, "cancel")
        data = filled(client, button, reason=REASON)

        first, second = client.post(button, data), client.post(button, data)

        assert (first.status_code, second.status_code) == (302, 400)
        assert errors(second) == {"__all__": ["A cancel of this order is already on its way."]}
        assert (cancels_waiting(), len(recorded("orders.order.cancel"))) == (1, 1)

    def test_of_a_final_order_leads_back_and_says_why(self, boss: Client, lived: Lived) -> None:
        button = act(Order, lived.cancelled, "cancel")

        answers = [boss.get(button), boss.post(button, {"reason": REASON, "request_id": "x"})]

        assert [answer.status_code for answer in answers] == [302, 302]
        assert "This order is cancelled: nothing of it is open." in said(answers[1])
        assert recorded("orders.order.cancel") == []
        page = boss.get(address(Order, "change", lived.cancelled))
        assert [item["button"].name for item in page.context["buttons"]] == []


class TestCancelAllOrders:
    @pytest.fixture
    def two_more(self, lived: Lived) -> TradingAccount:
        """The buyer with three live orders, one of them not yet in the book."""
        lived.market.buy(lived.buyer, 1, 47000)
        lived.market.drain()
        lived.market.buy(lived.buyer, 1, 46000)
        return lived.buyer

    def test_cancels_each_and_is_recorded_once(
        self, sign_in: SignIn, lived: Lived, two_more: TradingAccount
    ) -> None:
        client = sign_in(Role.RISK_MANAGER)

        answer = press(client, act(TradingAccount, two_more.pk, "cancel-all"), reason=REASON)
        lived.market.drain()

        assert answer.status_code == 302
        assert "3 cancels are on their way." in said(answer)
        statuses = Order.objects.filter(account=two_more).values_list("status", flat=True)
        assert sorted(statuses) == ["cancelled"] * 4 + ["filled"]
        assert money(two_more, lived.market.instrument.quote)[1] == "0"
        (record,) = recorded("orders.order.cancel_all")
        assert (record.target_id, record.reason, record.after["orders"]) == (str(two_more.pk), REASON, 3)
        assert stored(lived.part_filled).status == OrderStatus.PARTIALLY_FILLED

    def test_pressed_twice_asks_once(self, boss: Client, two_more: TradingAccount) -> None:
        button = act(TradingAccount, two_more.pk, "cancel-all")
        data = filled(boss, button, reason=REASON)

        first, second = boss.post(button, data), boss.post(button, data)

        assert (first.status_code, second.status_code) == (302, 400)
        assert (cancels_waiting(), len(recorded("orders.order.cancel_all"))) == (3, 1)

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, two_more: TradingAccount) -> None:
        before = everything_stored()

        answer = sign_in(Role.COMPLIANCE_OFFICER).post(
            act(TradingAccount, two_more.pk, "cancel-all"), {"reason": REASON, "request_id": "x"}
        )

        assert answer.status_code == 403
        assert (everything_stored(), cancels_waiting()) == (before, 0)

    def test_without_live_orders_says_so(self, boss: Client, funded: TradingAccount) -> None:
        answer = boss.get(act(TradingAccount, funded.pk, "cancel-all"))

        assert answer.status_code == 302
        assert [str(message) for message in get_messages(answer.wsgi_request)] == [
            f"{funded} has no live order."
        ]
