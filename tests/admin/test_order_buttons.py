"""Cancel and amend one order, end many at once: allowed, forbidden, with a reason, recorded, once."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from accounts.models import Role, TradingAccount
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, CommandKind, Event, EventKind, Order, OrderStatus, OrderType
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import everything_stored, make_market, money, stored

REASON = "client asked by phone"


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


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
        assert "49\u202f049.00000000" in words
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


class TestAmendOrder:
    def test_asks_in_the_owners_name_and_is_recorded(self, sign_in: SignIn, lived: Lived) -> None:
        client = sign_in(Role.RISK_MANAGER)
        button = act(Order, lived.resting, "amend")

        shown = press(client, button, price="48000", reason=REASON)
        answer = press(client, button, confirm=True, price="48000", reason=REASON)
        lived.market.drain()

        assert [effect.label for effect in shown.context["effects"]] == ["Price"]
        assert answer.status_code == 302
        assert (stored(lived.resting).price, stored(lived.resting).status) == (48000, "open")
        (record,) = recorded("orders.order.amend")
        command = Command.objects.get(kind=CommandKind.AMEND, order_id=lived.resting)
        assert (record.reason, record.before) == (REASON, {"price": "49000", "quantity": "1"})
        assert record.after == {"price": "48000", "command": command.pk}
        assert (command.account_id, command.actor_id, command.reason) == (
            lived.buyer.pk,
            client.user.id,  # type: ignore[attr-defined]
            REASON,
        )

    def test_moves_the_trigger_of_a_parked_order(self, boss: Client, lived: Lived) -> None:
        stop = lived.market.sell(lived.seller, 1, kind=OrderType.STOP, trigger=45000)
        lived.market.drain()
        assert stored(stop).status == "pending_trigger"

        press(boss, act(Order, stop, "amend"), confirm=True, trigger_price="46000", reason=REASON)
        lived.market.drain()

        assert (stored(stop).trigger_price, stored(stop).status) == (46000, "pending_trigger")

    def test_asks_for_a_trigger_only_where_it_may_move(self, boss: Client, lived: Lived) -> None:
        trailing = lived.market.sell(lived.seller, 1, kind=OrderType.TRAILING_STOP, trail=100)
        lived.market.drain()

        for number in (lived.resting, trailing):
            fields = boss.get(act(Order, number, "amend")).context["form"].fields
            assert "trigger_price" not in fields

    @pytest.mark.parametrize("price", ["90000", "48000.001"])
    def test_what_its_owner_could_not_ask_is_refused(self, price: str, boss: Client, lived: Lived) -> None:
        before = everything_stored()

        answer = press(boss, act(Order, lived.resting, "amend"), price=price, reason=REASON)

        assert (answer.status_code, answer.context["confirming"]) == (400, False)
        assert (everything_stored(), recorded("orders.order.amend")) == (before, [])

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, lived: Lived) -> None:
        data = {"price": "48000", "reason": REASON, "request_id": "x", "confirm": "1"}

        for role in (Role.SUPPORT, Role.COMPLIANCE_OFFICER):
            assert sign_in(role).post(act(Order, lived.resting, "amend"), data).status_code == 403

        assert not Command.objects.filter(kind=CommandKind.AMEND, position=None).exists()


def mass_cancels_waiting() -> int:
    return Command.objects.filter(kind=CommandKind.MASS_CANCEL, position=None).count()


class TestCancelAllOrders:
    @pytest.fixture
    def two_more(self, lived: Lived) -> TradingAccount:
        """The buyer with three live orders, one of them not yet in the book."""
        lived.market.buy(lived.buyer, 1, 47000)
        lived.market.drain()
        lived.market.buy(lived.buyer, 1, 46000)
        return lived.buyer

    def test_ends_each_and_is_recorded_once(
        self, sign_in: SignIn, lived: Lived, two_more: TradingAccount
    ) -> None:
        client = sign_in(Role.RISK_MANAGER)

        answer = press(client, act(TradingAccount, two_more.pk, "cancel-all"), confirm=True, reason=REASON)
        lived.market.drain()

        assert answer.status_code == 302
        assert "The mass cancel is on its way" in said(answer)
        statuses = Order.objects.filter(account=two_more).values_list("status", "reason")
        assert sorted(statuses) == [("cancelled", "client"), *[("cancelled", "operator")] * 3, ("filled", "")]
        assert money(two_more, lived.market.instrument.quote)[1] == "0"
        (record,) = recorded("orders.order.mass_cancel")
        assert (record.target_id, record.reason, record.after["orders"]) == (str(two_more.pk), REASON, 3)
        assert stored(lived.part_filled).status == OrderStatus.PARTIALLY_FILLED

    def test_shows_how_many_first(self, boss: Client, two_more: TradingAccount) -> None:
        button = act(TradingAccount, two_more.pk, "cancel-all")

        both = press(boss, button, reason=REASON)
        sells = press(boss, button, side="sell", reason=REASON)

        assert [(e.label, e.before, e.after) for e in both.context["effects"]][:3] == [
            ("Resting orders", "2", "0"),
            ("Parked orders", "0", "0"),
            ("Orders the book has not seen yet", "1", "0"),
        ]
        assert [effect.before for effect in sells.context["effects"]] == ["0", "0", "0"]
        assert mass_cancels_waiting() == 0

    def test_pressed_twice_asks_once(self, boss: Client, two_more: TradingAccount) -> None:
        button = act(TradingAccount, two_more.pk, "cancel-all")
        data = filled(boss, button, reason=REASON) | {"confirm": "1"}

        first, second = boss.post(button, data), boss.post(button, data)

        assert (first.status_code, second.status_code) == (302, 400)
        assert (mass_cancels_waiting(), len(recorded("orders.order.mass_cancel"))) == (1, 1)

    def test_pressed_again_for_what_came_in_behind_asks_again(
        self, boss: Client, lived: Lived, two_more: TradingAccount
    ) -> None:
        button = act(TradingAccount, two_more.pk, "cancel-all")
        press(boss, button, confirm=True, reason=REASON)
        late = lived.market.buy(two_more, 1, 45000)

        answer = press(boss, button, confirm=True, reason=REASON)
        lived.market.drain()

        assert answer.status_code == 302
        assert (stored(late).status, len(recorded("orders.order.mass_cancel"))) == ("cancelled", 2)

    def test_may_mean_one_instrument(self, boss: Client, lived: Lived, two_more: TradingAccount) -> None:
        other = make_market(base=lived.market.instrument.base, quote=lived.market.instrument.quote)
        kept = other.buy(two_more, 1, 49000)
        other.drain()
        button = act(TradingAccount, two_more.pk, "cancel-all")

        press(boss, button, confirm=True, instrument=lived.market.symbol, reason=REASON)
        lived.market.drain()

        assert list(Order.objects.live().for_account(two_more.pk).values_list("id", flat=True)) == [kept]

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, two_more: TradingAccount) -> None:
        before = everything_stored()

        answer = sign_in(Role.COMPLIANCE_OFFICER).post(
            act(TradingAccount, two_more.pk, "cancel-all"),
            {"reason": REASON, "request_id": "x", "confirm": "1"},
        )

        assert answer.status_code == 403
        assert (everything_stored(), mass_cancels_waiting()) == (before, 0)

    def test_without_live_orders_says_so(self, boss: Client, funded: TradingAccount) -> None:
        answer = boss.get(act(TradingAccount, funded.pk, "cancel-all"))

        assert answer.status_code == 302
        assert [str(message) for message in get_messages(answer.wsgi_request)] == [
            f"{funded} has no live order."
        ]


class TestMassCancel:
    """On an instrument: everybody's orders, or one account's, or one side."""

    @pytest.fixture
    def crowd(self, lived: Lived) -> Lived:
        """Beside the bid at 49000 and the half-filled ask: a stop of the seller, and a bid of a third."""
        lived.market.sell(lived.seller, 1, kind=OrderType.STOP, trigger=45000)
        lived.market.buy(lived.market.trader(), 1, 48500)
        lived.market.drain()
        return lived

    def live(self, lived: Lived) -> int:
        return Order.objects.live().filter(instrument=lived.market.instrument).count()

    def button(self, lived: Lived) -> str:
        return act(Instrument, lived.market.instrument.pk, "mass-cancel")

    def test_of_everybody(self, sign_in: SignIn, crowd: Lived) -> None:
        client = sign_in(Role.RISK_MANAGER)

        shown = press(client, self.button(crowd), reason=REASON)
        press(client, self.button(crowd), confirm=True, reason=REASON)
        crowd.market.drain()

        assert [effect.before for effect in shown.context["effects"]] == ["3", "1", "0"]
        assert self.live(crowd) == 0
        (record,) = recorded("orders.order.mass_cancel")
        command = Command.objects.get(kind=CommandKind.MASS_CANCEL)
        assert record.after == {
            "account": "all",
            "instrument": crowd.market.symbol,
            "side": "both",
            "orders": 4,
            "commands": [command.pk],
        }
        assert (record.target_type, record.reason) == ("instruments.instrument", REASON)
        assert (command.account_id, command.side, command.reason) == (0, 0, REASON)
        assert crowd.market.events()[-5:] == [EventKind.MASS_CANCELLED, *[EventKind.CANCELLED] * 4]
        assert Event.objects.get(kind=EventKind.MASS_CANCELLED).quantity_lots == 4

    @pytest.mark.parametrize(
        ("answers", "left"), [({"side": "buy"}, 2), ({"side": "sell"}, 2), ({"account": True}, 2)]
    )
    def test_of_one_side_or_account(
        self, answers: dict[str, object], left: int, boss: Client, crowd: Lived
    ) -> None:
        if "account" in answers:
            answers = {"account": crowd.seller.account_number.lower()}

        press(boss, self.button(crowd), confirm=True, reason=REASON, **answers)
        crowd.market.drain()

        assert self.live(crowd) == left

    def test_of_an_unknown_account_is_refused_beside_its_field(self, boss: Client, crowd: Lived) -> None:
        answer = press(boss, self.button(crowd), account="NOPE", reason=REASON)

        assert errors(answer) == {"account": ["No such account."]}
        assert mass_cancels_waiting() == 0

    def test_works_while_the_instrument_is_halted(self, boss: Client, crowd: Lived) -> None:
        crowd.market.phase(InstrumentStatus.HALTED)

        press(boss, self.button(crowd), confirm=True, reason=REASON)
        crowd.market.drain()

        assert self.live(crowd) == 0

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, crowd: Lived) -> None:
        data = {"reason": REASON, "request_id": "x", "confirm": "1"}

        for role in (Role.SUPPORT, Role.COMPLIANCE_OFFICER):
            assert sign_in(role).post(self.button(crowd), data).status_code == 403

        assert (self.live(crowd), mass_cancels_waiting()) == (4, 0)


def test_an_amend_says_what_becomes_of_the_place(boss: Client, lived: Lived) -> None:
    stop = lived.market.sell(lived.seller, 1, kind=OrderType.STOP, trigger=45000)
    lived.market.drain()

    resting, parked = (boss.get(act(Order, order, "amend")) for order in (lived.resting, stop))

    assert "anything else loses it" in resting.context["intro"]
    assert "A parked order keeps its place, whatever is changed." in parked.context["intro"]


def test_answers_left_empty_are_shown_as_what_they_mean(boss: Client, lived: Lived) -> None:
    everybody = press(boss, act(Instrument, lived.market.instrument.pk, "mass-cancel"), reason=REASON)
    amend = press(boss, act(Order, lived.resting, "amend"), reason=REASON, quantity="0.7")

    assert everybody.context["answers"][:2] == [("Account", "everybody"), ("Side", "Both sides")]
    assert amend.context["answers"][:2] == [("New price", "as it is"), ("New total quantity", "0.7")]


def test_whether_a_command_waits_is_told_to_the_page_that_asked(boss: Client, lived: Lived) -> None:
    press(boss, act(Order, lived.resting, "cancel"), reason=REASON)
    number = Command.objects.filter(kind=CommandKind.CANCEL).latest("id").pk
    page = boss.get(address(Order, "change", lived.resting)).content.decode()
    where = f"{reverse('admin:waiting')}?commands={number}"

    assert f'data-follow="{where}"' in page
    assert boss.get(where).json() == {"waiting": True}
    lived.market.drain()
    assert boss.get(where).json() == {"waiting": False}
    assert boss.get(f"{reverse('admin:waiting')}?commands=x,,9" + "9" * 40).json() == {"waiting": False}
