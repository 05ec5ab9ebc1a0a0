"""Halt, maintenance, delist, resume, edit and add an instrument; edit and add an asset."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Role
from instruments.models import Asset, Instrument, InstrumentStatus
from orders.models import Command, CommandKind, Phase, Side
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import make_asset, make_instrument, money, refusal_of, stored

REASON = "news at noon"
STOPS = [("halt", "halted"), ("maintenance", "maintenance"), ("delist", "delisted")]


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


def of(instrument: Instrument) -> Instrument:
    return Instrument.objects.select_related("base", "quote").get(pk=instrument.pk)


@pytest.mark.parametrize(("name", "status"), STOPS)
class TestEveryStop:
    def test_refuses_orders_at_once_and_is_recorded(
        self, name: str, status: str, sign_in: SignIn, lived: Lived
    ) -> None:
        client, market = sign_in(Role.ADMIN), lived.market

        answer = press(client, act(Instrument, market.instrument.pk, name), confirm=True, reason=REASON)

        assert answer.status_code == 302
        assert of(market.instrument).status == status
        (outcome,) = market.send_all([market.request(lived.buyer, Side.BUY, 1, 49000)])
        assert refusal_of(outcome).code == f"instrument_{status}"
        (record,) = recorded("instruments.trading.halt")
        assert (record.actor_id, record.reason) == (client.user.id, REASON)  # type: ignore[attr-defined]
        assert (record.before, record.after["status"]) == ({"status": "active"}, status)
        market.drain()
        assert market.book().phase == Phase.HALTED

    def test_pressed_twice_stops_once(self, name: str, status: str, boss: Client, lived: Lived) -> None:
        button = act(Instrument, lived.market.instrument.pk, name)
        data = filled(boss, button, reason=REASON) | {"confirm": "1"}

        boss.post(button, data)
        second = boss.post(button, data)

        assert second.status_code == 302
        assert f"{lived.market.symbol} is {status}" in said(second)
        assert Command.objects.filter(kind=CommandKind.PHASE).count() == 1

    def test_wants_a_reason(self, name: str, status: str, boss: Client, lived: Lived) -> None:
        answer = press(boss, act(Instrument, lived.market.instrument.pk, name), confirm=True, reason="")

        assert errors(answer) == {"reason": ["This field is required."]}
        assert of(lived.market.instrument).status == "active"

    def test_is_forbidden_without_the_right(
        self, name: str, status: str, sign_in: SignIn, lived: Lived
    ) -> None:
        data = {"policy": "freeze", "reason": REASON, "request_id": "x", "confirm": "1"}

        for role in (Role.SUPPORT, Role.COMPLIANCE_OFFICER):
            answer = sign_in(role).post(act(Instrument, lived.market.instrument.pk, name), data)
            assert answer.status_code == 403

        assert of(lived.market.instrument).status == "active"
        assert recorded("instruments.trading.halt") == []


class TestHalt:
    def test_shows_how_many_orders_rest(self, boss: Client, lived: Lived) -> None:
        button = act(Instrument, lived.market.instrument.pk, "halt")

        keep = press(boss, button, policy="freeze", reason=REASON)
        cancel = press(boss, button, policy="cancel", reason=REASON)

        assert [(e.label, e.before, e.after) for e in keep.context["effects"][1:]] == [
            ("New orders and amends", "taken", "denied"),
            ("Open orders", "2", "stay, and may be cancelled"),
        ]
        assert cancel.context["effects"][2].after == "0: all are cancelled, their funds released"
        assert of(lived.market.instrument).status == "active"

    def test_keeps_resting_orders(self, boss: Client, lived: Lived) -> None:
        button = act(Instrument, lived.market.instrument.pk, "halt")

        press(boss, button, confirm=True, policy="freeze", reason=REASON)
        lived.market.drain()

        assert stored(lived.resting).status == "open"

    def test_cancels_resting_orders_where_chosen(self, boss: Client, lived: Lived) -> None:
        button = act(Instrument, lived.market.instrument.pk, "halt")

        press(boss, button, confirm=True, policy="cancel", reason=REASON)
        lived.market.drain()

        assert (stored(lived.resting).status, stored(lived.resting).reason) == ("cancelled", "halt_cancel")
        assert money(lived.buyer, lived.market.instrument.quote)[1] == "0"

    def test_a_risk_manager_halts_but_does_not_delist(self, sign_in: SignIn, lived: Lived) -> None:
        client, number = sign_in(Role.RISK_MANAGER), lived.market.instrument.pk

        assert client.get(act(Instrument, number, "halt")).status_code == 200
        assert client.get(act(Instrument, number, "delist")).status_code == 403

    def test_counts_resting_orders_to_a_bound(self, boss: Client, lived: Lived, monkeypatch: Any) -> None:
        monkeypatch.setattr("orders.admin.trading_buttons.CAP", 1)
        monkeypatch.setattr("orders.admin.trading_buttons.capped", lambda count: f"counted {count}")

        answer = press(boss, act(Instrument, lived.market.instrument.pk, "halt"), reason=REASON)

        assert answer.context["effects"][2].before == "counted 2"


class TestResume:
    @pytest.fixture
    def halted(self, boss: Client, lived: Lived) -> Lived:
        button = act(Instrument, lived.market.instrument.pk, "halt")
        press(boss, button, confirm=True, policy="freeze", reason="news")
        lived.market.drain()
        return lived

    def test_trades_again_once_the_book_has_said_so(self, sign_in: SignIn, halted: Lived) -> None:
        client = sign_in(Role.RISK_MANAGER)
        instrument = halted.market.instrument

        answer = press(client, act(Instrument, instrument.pk, "resume"), reason=REASON)

        assert answer.status_code == 302
        assert of(instrument).status == "halted"
        halted.market.drain()
        assert (of(instrument).status, halted.market.book().phase) == ("active", Phase.OPEN)
        (record,) = recorded("instruments.trading.resume")
        assert (record.reason, record.after["status"]) == (REASON, "active")

    def test_pressed_twice_asks_once(self, boss: Client, halted: Lived) -> None:
        button = act(Instrument, halted.market.instrument.pk, "resume")
        data = filled(boss, button, reason=REASON)

        boss.post(button, data)
        second = boss.post(button, data)

        assert f"{halted.market.symbol} is being resumed already." in said(second)
        assert Command.objects.filter(phase=Phase.OPEN).count() == 1
        assert len(recorded("instruments.trading.resume")) == 1

    def test_halted_again_before_the_book_spoke_may_be_resumed_again(
        self, boss: Client, halted: Lived
    ) -> None:
        resume = act(Instrument, halted.market.instrument.pk, "resume")
        press(boss, resume, reason=REASON)
        halt = act(Instrument, halted.market.instrument.pk, "halt")
        press(boss, halt, confirm=True, policy="freeze", reason=REASON)

        answer = press(boss, resume, reason=REASON)

        assert answer.status_code == 302
        halted.market.drain()
        assert of(halted.market.instrument).status == "active"

    def test_of_a_trading_instrument_says_so(self, boss: Client, lived: Lived) -> None:
        answer = boss.get(act(Instrument, lived.market.instrument.pk, "resume"))

        assert f"{lived.market.symbol} is trading already." in said(answer)

    def test_of_a_delisted_instrument_is_impossible(self, boss: Client, lived: Lived) -> None:
        number = lived.market.instrument.pk
        press(boss, act(Instrument, number, "delist"), confirm=True, reason=REASON)

        answer = boss.post(act(Instrument, number, "resume"), {"reason": REASON, "request_id": "x"})

        assert f"{lived.market.symbol} is delisted for good." in said(answer)
        assert of(lived.market.instrument).status == InstrumentStatus.DELISTED

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, halted: Lived) -> None:
        answer = sign_in(Role.SUPPORT).post(
            act(Instrument, halted.market.instrument.pk, "resume"), {"reason": REASON, "request_id": "x"}
        )

        assert answer.status_code == 403
        assert Command.objects.filter(phase=Phase.OPEN).count() == 0


class TestEdit:
    def test_shows_and_records_only_what_differs(self, sign_in: SignIn, lived: Lived) -> None:
        client = sign_in(Role.ADMIN)
        instrument = lived.market.instrument
        button = act(Instrument, instrument.pk, "edit")
        answers: dict[str, Any] = {"taker_fee": "0.002", "min_notional": "25", "reason": REASON}

        shown = press(client, button, **answers)
        done = press(client, button, confirm=True, **answers)

        assert [effect.label for effect in shown.context["effects"]] == ["Min notional", "Taker fee"]
        assert done.status_code == 302
        assert (of(instrument).taker_fee, of(instrument).min_notional) == (Decimal("0.002"), 25)
        (record,) = recorded("instruments.instrument.change")
        assert record.before == {"min_notional": "0", "taker_fee": "0.001"}
        assert record.after == {"min_notional": "25", "taker_fee": "0.002"}
        assert (record.reason, record.target_label) == (REASON, instrument.symbol)

    def test_counts_for_the_next_order(self, boss: Client, lived: Lived) -> None:
        market = lived.market
        button = act(Instrument, market.instrument.pk, "edit")

        press(boss, button, confirm=True, min_notional="100000", reason=REASON)

        (outcome,) = market.send_all([market.request(lived.buyer, Side.BUY, 1, 49000)])
        assert refusal_of(outcome).code == "notional_too_small"

    def test_form_has_no_steps_and_no_eighteen_zeros(self, boss: Client, lived: Lived) -> None:
        answer = boss.get(act(Instrument, lived.market.instrument.pk, "edit"))

        fields = answer.context["form"].fields
        assert not {"tick_size", "lot_size", "symbol", "base", "quote", "status"} & set(fields)
        assert 'value="0.0005"' in answer.content.decode()
        assert "0000000000" not in answer.content.decode()

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"maker_fee": "1"}, "instrument_fee_range"),
            ({"price_band": "0"}, "instrument_band_range"),
            ({"min_quantity": "0.00005"}, "must be a multiple of the lot size 0.0001"),
            ({"max_quantity": "0.0000"}, "instrument_quantity_range"),
        ],
    )
    def test_refuses_impossible_limits(
        self, changes: dict[str, str], complaint: str, boss: Client, lived: Lived
    ) -> None:
        button = act(Instrument, lived.market.instrument.pk, "edit")

        answer = press(boss, button, confirm=True, reason=REASON, **changes)

        assert answer.status_code == 400
        assert complaint in str(errors(answer))
        assert recorded("instruments.instrument.change") == []

    def test_pressed_twice_changes_once(self, boss: Client, lived: Lived) -> None:
        button = act(Instrument, lived.market.instrument.pk, "edit")
        data = filled(boss, button, min_notional="25", reason=REASON) | {"confirm": "1"}

        boss.post(button, data)
        second = boss.post(button, data)

        assert second.status_code == 400
        assert len(recorded("instruments.instrument.change")) == 1

    def test_is_forbidden_without_the_right(self, sign_in: SignIn, lived: Lived) -> None:
        data = {"min_notional": "25", "reason": REASON, "request_id": "x", "confirm": "1"}

        for role in (Role.SUPPORT, Role.RISK_MANAGER, Role.COMPLIANCE_OFFICER):
            answer = sign_in(role).post(act(Instrument, lived.market.instrument.pk, "edit"), data)
            assert answer.status_code == 403

        assert of(lived.market.instrument).min_notional == 0


class TestAddInstrument:
    @property
    def button(self) -> str:
        return address(Instrument, "new", "add")

    def answers(self, **changes: object) -> dict[str, Any]:
        base, quote = make_asset(decimals=8), make_asset(decimals=8)
        return {
            "symbol": "NEWUSDT",
            "display_name": "New",
            "kind": "crypto",
            "base": base.pk,
            "quote": quote.pk,
            "tick_size": "0.01",
            "lot_size": "0.001",
            "min_quantity": "0.001",
            "max_quantity": "100",
            "reason": REASON,
        } | changes

    def test_trades_at_once_and_is_recorded(self, sign_in: SignIn) -> None:
        answer = press(sign_in(Role.ADMIN), self.button, confirm=True, **self.answers())

        added = Instrument.objects.get(symbol="NEWUSDT")
        assert answer.headers["Location"] == address(Instrument, "change", added.pk)
        assert (added.status, added.tick_size, added.taker_fee) == (
            "active",
            Decimal("0.01"),
            Decimal("0.001"),
        )
        (record,) = recorded("instruments.instrument.create")
        assert (record.after["tick_size"], record.after["symbol"]) == ("0.01", "NEWUSDT")

    def test_steps_finer_than_money_are_refused(self, boss: Client) -> None:
        answer = press(
            boss, self.button, confirm=True, **self.answers(tick_size="0.0001", lot_size="0.000001")
        )

        assert answer.status_code == 400
        assert "choose coarser steps" in str(errors(answer))
        assert not Instrument.objects.filter(symbol="NEWUSDT").exists()

    def test_pressed_twice_adds_one(self, boss: Client) -> None:
        data = filled(boss, self.button, **self.answers()) | {"confirm": "1"}

        boss.post(self.button, data)
        second = boss.post(self.button, data)

        assert second.status_code == 400
        assert Instrument.objects.filter(symbol="NEWUSDT").count() == 1

    def test_is_forbidden_without_the_right(self, sign_in: SignIn) -> None:
        data = self.answers(request_id="x", confirm="1")

        assert sign_in(Role.RISK_MANAGER).post(self.button, data).status_code == 403
        assert not Instrument.objects.filter(symbol="NEWUSDT").exists()


class TestAssets:
    def test_one_is_added_and_recorded(self, sign_in: SignIn) -> None:
        answer = press(
            sign_in(Role.ADMIN),
            address(Asset, "new", "add"),
            confirm=True,
            code="EURX",
            name="Euro",
            decimals=2,
            is_active="on",
            reason=REASON,
        )

        added = Asset.objects.get(code="EURX")
        assert answer.headers["Location"] == address(Asset, "change", added.pk)
        assert (added.decimals, added.is_active) == (2, True)
        assert len(recorded("instruments.asset.create")) == 1

    def test_closing_one_stops_deposits(self, boss: Client) -> None:
        asset = make_asset()
        make_instrument(base=asset)
        data = filled(boss, act(Asset, asset.pk, "edit"), reason=REASON) | {"confirm": "1"}
        del data["is_active"]

        answer = boss.post(act(Asset, asset.pk, "edit"), data)

        assert answer.status_code == 302
        assert not Asset.objects.get(pk=asset.pk).is_active
        (record,) = recorded("instruments.asset.change")
        assert (record.before, record.after) == ({"is_active": True}, {"is_active": False})

    def test_edit_without_a_difference_says_so(self, boss: Client) -> None:
        answer = press(boss, act(Asset, make_asset().pk, "edit"), confirm=True, is_active="on", reason=REASON)

        assert answer.status_code == 400
        assert recorded("instruments.asset.change") == []

    def test_adding_is_forbidden_without_the_right(self, sign_in: SignIn) -> None:
        data = {"code": "EURX", "name": "Euro", "decimals": 2, "reason": REASON, "request_id": "x"}

        answer = sign_in(Role.SUPPORT).post(address(Asset, "new", "add"), data | {"confirm": "1"})

        assert answer.status_code == 403
        assert not Asset.objects.filter(code="EURX").exists()

    def test_editing_is_forbidden_without_the_right(self, sign_in: SignIn) -> None:
        asset = make_asset()
        data = {"name": "Other", "is_active": "on", "reason": REASON, "request_id": "x", "confirm": "1"}

        assert sign_in(Role.RISK_MANAGER).post(act(Asset, asset.pk, "edit"), data).status_code == 403
        assert Asset.objects.get(pk=asset.pk).name == asset.name
