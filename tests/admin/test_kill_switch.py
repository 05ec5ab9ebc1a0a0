"""The kill switch's page: one person stops, the page says where it took effect; two release, in steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pgtrigger
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role
from audit.models import ApprovalRequest
from audit.services.policies import add_policy
from instruments.models import Instrument
from orders.models import KillEffect, Order
from orders.services import kill_switch
from orders.services.kill_switch import RELEASE
from risk.models import KillAct, KillScope, KillSwitch
from risk.services.kill_switch import find_target
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.audit.agreeing import agree
from tests.factories import ACTOR, make_market
from tradeplatform.common.admin import show

REASON = "runaway robot"
STOP = "stop"


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


def now() -> datetime:
    return timezone.now()


def stop_address() -> str:
    return address(KillSwitch, "new", STOP)


def everything() -> KillSwitch:
    return KillSwitch.objects.get(scope=KillScope.GLOBAL)


def stop(client: Client, scope: str = "global", name: str = "", reason: str = REASON) -> Any:
    return press(client, stop_address(), confirm=True, scope=scope, scope_name=name, reason=reason)


@pytest.mark.parametrize("role", [Role.RISK_MANAGER, Role.COMPLIANCE_OFFICER, Role.ADMIN])
def test_one_person_stops_and_is_told_how_fast(sign_in: SignIn, lived: Lived, role: Role) -> None:
    client = sign_in(role)

    answer = stop(client, "instrument", lived.market.symbol)

    assert f"Instrument {lived.market.symbol} is stopped: the last effect came" in said(answer)
    assert not Order.objects.in_engine().filter(instrument=lived.market.instrument).exists()
    (record,) = recorded("risk.kill_switch.stop")
    assert (record.reason, record.actor_id) == (REASON, client.user.id)  # type: ignore[attr-defined]


def test_who_is_about_to_stop_learns_who_must_agree_to_the_release(boss: Client, lived: Lived) -> None:
    for name in (STOP, "stop-intake"):
        intro = boss.get(address(KillSwitch, "new", name)).context["intro"]
        assert "1 compliance officer must agree" in intro

    add_policy(
        action=RELEASE,
        values={"role": Role.RISK_MANAGER, "approvers": 2, "expires_after": timedelta(hours=1)},
        actor=ACTOR,
        now=now(),
        reason="rules",
    )

    assert "2 risk managers must agree" in boss.get(stop_address()).context["intro"]


def test_support_only_looks(sign_in: SignIn, lived: Lived) -> None:
    client = sign_in(Role.SUPPORT)

    assert client.get(address(KillSwitch, "changelist")).status_code == 200
    assert client.get(stop_address()).status_code == 403
    assert not KillAct.objects.exists()


def test_the_effect_is_shown_before_and_nothing_happens_without_a_yes(boss: Client, lived: Lived) -> None:
    shown = press(boss, stop_address(), scope="instrument", scope_name=lived.market.symbol, reason=REASON)

    live = Order.objects.live().filter(instrument=lived.market.instrument)
    assert shown.context["confirming"]
    effects = {effect.label: effect.before for effect in shown.context["effects"]}
    assert effects["Live orders"] == str(live.count())
    assert live.exists()
    assert not KillAct.objects.exists()


@pytest.mark.parametrize(
    ("scope", "name", "complaint"),
    [
        ("instrument", "", "Name the Instrument."),
        ("account", "nobody", "No such Account: nobody."),
        ("global", "BTC-USD", "Everything has no name: leave this empty, or choose its kind."),
    ],
)
def test_a_scope_that_is_none_is_asked_for_again(
    boss: Client, lived: Lived, scope: str, name: str, complaint: str
) -> None:
    answer = stop(boss, scope, name)

    assert errors(answer) == {"scope_name": [complaint]}
    assert not KillAct.objects.exists()


def test_without_a_reason_nothing_stops(boss: Client, lived: Lived) -> None:
    assert "reason" in errors(stop(boss, reason=""))
    assert not KillAct.objects.exists()


def test_pressed_twice_it_is_one_press(boss: Client, lived: Lived) -> None:
    data = filled(boss, stop_address(), scope="global", scope_name="", reason=REASON) | {"confirm": "1"}

    boss.post(stop_address(), data)
    again = boss.post(stop_address(), data)

    assert "stopped already" in said(again)
    assert KillAct.objects.count() == 1


def test_the_page_shows_the_position_on_each_shard(boss: Client, lived: Lived) -> None:
    stop(boss)
    effect = KillEffect.objects.get(shard=lived.market.shard)

    page = boss.get(address(KillSwitch, "change", everything().pk))

    tables = {panel.title: panel for panel in page.context["panels"]}
    rows = [[str(cell) for cell in row] for row in tables["Where it took effect"].rows]
    (row,) = [row for row in rows if f"Shard {lived.market.shard.pk}<" in row[0]]
    assert (row[2], row[5]) == (str(effect.position), str(effect.cancelled))
    assert page.context["warning"] == ""


def test_a_release_waits_for_another_person_and_opens_one_step(sign_in: SignIn, lived: Lived) -> None:
    client = sign_in(Role.RISK_MANAGER)
    stop(client, "instrument", lived.market.symbol)
    switch = KillSwitch.objects.get(scope=KillScope.INSTRUMENT)

    answer = press(client, act(KillSwitch, switch.pk, "release"), reason="mended")

    assert "sent for approval" in said(answer)
    assert KillSwitch.objects.get(pk=switch.pk).stage == "stopped"
    agree(ApprovalRequest.objects.get(action=RELEASE), now=now())
    assert KillSwitch.objects.get(pk=switch.pk).stage == "limit_only"
    request = ApprovalRequest.objects.get(action=RELEASE)
    page = client.get(address(KillSwitch, "change", switch.pk))
    acts = next(panel for panel in page.context["panels"] if panel.title == "Presses and releases")
    _at, _to, asker, reason, checker, approval = acts.rows[0]
    assert (asker, reason) == (request.maker_label, "mended")
    assert checker == request.decisions.get().checker_label != asker
    assert address(ApprovalRequest, "change", request.pk) in approval
    (record,) = recorded("risk.kill_switch.release")
    assert record.before == {"stage": "stopped"}


def test_the_list_says_where_a_press_is_not_in_effect(boss: Client, lived: Lived) -> None:
    def shown(switch: KillSwitch) -> str:
        changes = boss.get(address(KillSwitch, "changelist")).context["cl"]
        (row,) = [row for row in changes.result_list if row.pk == switch.pk]
        return str(changes.model_admin.in_effect(row))

    assert shown(everything()) == show.NOTHING
    pressed = kill_switch.press(
        target=find_target(KillScope.INSTRUMENT, lived.market.symbol), actor=ACTOR, now=now(), reason=REASON
    )
    assert f"Waits on shard {lived.market.shard.pk}<" in shown(pressed.act.switch)

    kill_switch.bring_into_effect(pressed.act, clock=now)

    assert shown(pressed.act.switch) == "Everywhere"


def test_the_page_names_the_release_that_waits_and_none_of_an_earlier_press(
    sign_in: SignIn, lived: Lived
) -> None:
    client = sign_in(Role.RISK_MANAGER)
    stop(client, "instrument", lived.market.symbol)
    switch = KillSwitch.objects.get(scope=KillScope.INSTRUMENT)
    page = address(KillSwitch, "change", switch.pk)
    assert client.get(page).context["subheading"] == ""
    press(client, act(KillSwitch, switch.pk, "release"), reason="mended")
    press(client, act(KillSwitch, switch.pk, "release"), reason="mended, really")
    first, second = ApprovalRequest.objects.filter(action=RELEASE).order_by("id")

    for asked in (first, second):
        shown = client.get(page).context["subheading"]
        assert address(ApprovalRequest, "change", asked.pk) in shown
        assert f"approval {asked.pk}</a> for 1 compliance officer" in shown
    agree(first, now=now())
    # The other was about the press, and the first step has been taken since.
    assert client.get(page).context["subheading"] == ""


def test_what_is_open_has_nothing_to_release_and_can_be_stopped_from_its_page(
    boss: Client, lived: Lived
) -> None:
    release = act(KillSwitch, everything().pk, "release")
    assert boss.get(release).status_code == 302

    press(boss, act(KillSwitch, everything().pk, STOP), confirm=True, reason=REASON)

    assert everything().stage == "stopped"
    assert boss.get(act(KillSwitch, everything().pk, STOP)).status_code == 302


@pytest.mark.parametrize("page", ["admin:index", "admin:system"])
def test_the_first_page_and_the_systems_say_what_is_stopped(boss: Client, lived: Lived, page: str) -> None:
    def tile() -> tuple[Any, ...]:
        tiles = boss.get(reverse(page)).context["tiles"]
        (found,) = [each for each in tiles if each["label"] == "Stopped by kill switch"]
        return found["value"], found["note"], found["tone"]

    assert tile() == (0, "Nothing is stopped", "")
    stop(boss, "instrument", lived.market.symbol)
    assert tile() == (1, f"Instrument {lived.market.symbol}: only cancels are taken", "bad")
    stop(boss)
    assert tile() == (2, "Everything: only cancels are taken; 1 more", "bad")


def test_the_first_page_counts_the_instruments_that_a_kill_switch_stops(
    sign_in: SignIn, lived: Lived
) -> None:
    client = sign_in(Role.RISK_MANAGER)

    def tile() -> tuple[Any, ...]:
        tiles = client.get(reverse("admin:index")).context["tiles"]
        (found,) = [each for each in tiles if each["label"] == "Instruments stopped"]
        return found["value"], found["note"], found["tone"]

    def release(scope: KillScope) -> None:
        switch = KillSwitch.objects.get(scope=scope)
        press(client, act(KillSwitch, switch.pk, "release"), reason="mended")
        agree(ApprovalRequest.objects.filter(action=RELEASE).latest("id"), now=now())

    assert tile() == ("0", "All are active", "")
    stop(client, "account", lived.buyer.account_number)
    assert tile() == ("0", "All are active", "")
    stop(client, "instrument", lived.market.symbol)
    assert tile() == ("1", "1 by kill switch; all others are active", "bad")
    Instrument.objects.filter(pk=make_market().instrument.pk).update(status="halted")
    assert tile() == ("2", "1 by kill switch; all others are active", "bad")
    stop(client)
    assert tile() == ("All", "Everything is stopped by the kill switch", "bad")
    release(KillScope.INSTRUMENT)
    release(KillScope.GLOBAL)
    assert tile() == ("1", "1 with limit orders only; all others take limit orders only", "bad")
    release(KillScope.GLOBAL)
    assert tile() == ("1", "1 with limit orders only; all others are active", "bad")


def test_the_first_page_lists_a_stopped_market_with_what_it_still_takes(boss: Client, lived: Lived) -> None:
    stop(boss, "instrument", lived.market.symbol)

    panels = {panel.title: panel for panel in boss.get(reverse("admin:index")).context["panels"]}

    (row,) = panels["Instruments that do not trade as usual now"].rows
    assert lived.market.symbol in row[0]
    assert "Kill switch: only cancels are taken" in row[1]


def test_the_way_back_from_a_confirmation_is_not_called_cancel(boss: Client, lived: Lived) -> None:
    """Beside "Yes, stop" it would be read as cancelling orders."""
    shown = press(boss, stop_address(), scope="global", scope_name="", reason=REASON)

    assert shown.context["confirming"]
    body = shown.content.decode()
    assert ">Go back</a>" in body
    assert ">Cancel</a>" not in body


def test_a_market_says_that_it_is_stopped(boss: Client, lived: Lived) -> None:
    def said_on(symbol: str) -> bool:
        page = boss.get(reverse("admin:market", args=[symbol])).content.decode()
        return "Kill switch: only cancels are taken" in page

    other = make_market()
    stop(boss, "instrument", lived.market.symbol)
    assert (said_on(lived.market.symbol), said_on(other.symbol)) == (True, False)
    stop(boss)
    assert said_on(other.symbol)


def test_the_page_of_an_instrument_does_not_call_it_active_alone(boss: Client, lived: Lived) -> None:
    stop(boss, "instrument", lived.market.symbol)

    page = boss.get(address(Instrument, "change", lived.market.instrument.pk)).content.decode()

    assert "Kill switch: only cancels are taken" in page


def test_where_the_global_switch_is_missing_the_first_page_says_so(
    boss: Client,
) -> None:
    with pgtrigger.ignore():
        KillSwitch.objects.filter(scope=KillScope.GLOBAL).delete()

    tiles = boss.get(reverse("admin:index")).context["tiles"]

    assert "Everything" in [tile["value"] for tile in tiles if tile["label"] == "Stopped by kill switch"]
