"""`manage.py kill` and `manage.py release`: to stop, a database is enough; to release, two people."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from celery import current_app
from django.core.management import call_command
from django.core.management.base import CommandError
from redis.exceptions import ConnectionError as ValkeyAway

from accounts.models import Role
from audit.models import ApprovalRequest, AuditRecord
from orders.models import KillEffect, OrderStatus
from orders.services import wake
from risk.models import KillAct, KillSwitch
from tests.audit.agreeing import agree
from tests.factories import Market, everything_stored, make_market, make_user, stored
from tradeplatform.common import valkey

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> Market:
    return make_market()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def read(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def kill(*arguments: str) -> Any:
    return read("kill", "--reason", "runaway robot", *arguments)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker and no Valkey: whoever asks them is told so."""

    def away(*_args: Any, **_kwargs: Any) -> Any:
        raise ValkeyAway("nobody listens")

    monkeypatch.setattr(valkey, "client", away)
    monkeypatch.setattr(wake, "client", away)
    monkeypatch.setattr(current_app, "send_task", away)


def test_a_reason_is_printed_as_it_was_written(market: Market) -> None:
    """A bracket of it is no style of ours, and nothing in it steers the terminal of whoever reads."""
    reason = "see [#7] [/red] :bell: \x1b[31m"

    kill("--instrument", market.symbol)
    kill("--global", "--reason", reason)

    assert r"\x1b[31m" in run("kill", "--list")


def test_it_stops_and_says_where_and_how_fast_without_broker_valkey_or_worker(
    market: Market, alone: None
) -> None:
    order_id = market.buy(market.trader(), 1, 49000)
    market.drain()

    said = kill("--global")

    assert (stored(order_id).status, stored(order_id).reason) == (OrderStatus.CANCELLED, "killed")
    (shard,) = [found for found in said["shards"] if found["shard"] == market.shard.id]
    assert (shard["position"], shard["cancelled"], shard["refused"]) == (2, 1, 0)
    assert 0 < shard["milliseconds"] <= said["press_to_last_effect_ms"] < 5_000
    assert AuditRecord.objects.get(action="risk.kill_switch.stop").reason == "runaway robot"


@pytest.mark.parametrize("scope", ["instrument", "account", "group", "api_key"])
def test_each_scope_is_named_as_people_name_it(market: Market, scope: str) -> None:
    with pytest.raises(CommandError, match="No such"):
        run("kill", f"--{scope.replace('_', '-')}", "nobody", "--reason", "runaway robot")

    assert not KillAct.objects.exists()


def test_a_dry_run_counts_and_stops_nothing(market: Market) -> None:
    market.buy(market.trader(), 1, 49000)
    market.drain()
    market.buy(market.trader(), 1, 48000)

    said = kill("--instrument", market.symbol, "--dry-run")

    assert said == {
        "dry_run": True,
        "scope": f"Instrument {market.symbol}",
        "orders": 2,
        "accounts": 2,
        "instruments": 1,
    }
    assert not KillAct.objects.exists()


def test_without_a_reason_nothing_is_stopped(market: Market) -> None:
    with pytest.raises(CommandError, match="reason_required"):
        run("kill", "--instrument", market.symbol)

    assert not KillAct.objects.exists()


def test_a_reason_is_as_long_as_every_door_takes_it_and_no_longer(market: Market) -> None:
    maker = make_user(Role.RISK_MANAGER)
    scope = ("--instrument", market.symbol)

    for arguments in [(*scope, "--dry-run"), scope]:
        with pytest.raises(CommandError, match=r"at most 500 characters.*\(invalid_field\)"):
            run("kill", *arguments, "--reason", "r" * 501)
    assert not KillAct.objects.exists()

    switch = read("kill", *scope, "--reason", f" {'r' * 500} ")["switch"]
    with pytest.raises(CommandError, match=r"at most 500 characters.*\(invalid_field\)"):
        run("release", str(switch), "--by", maker.username, "--reason", "r" * 501)
    assert not ApprovalRequest.objects.exists()
    read("release", str(switch), "--by", maker.username, "--reason", "r" * 500)


def test_tables_say_the_same(market: Market) -> None:
    assert "Nothing is stopped" in run("kill", "--list")

    text = run("kill", "--instrument", market.symbol, "--reason", "runaway robot")
    again = run("kill", "--instrument", market.symbol, "--reason", "once more")

    assert "press to last effect" in text
    assert "stopped already" in again
    shown = run("kill", "--list")
    act = KillAct.objects.latest("id")
    assert f"Instrument {market.symbol}" in shown
    assert f"{act.at:%Y-%m-%d %H:%M:%S}" in shown


def test_a_shard_that_is_stopped_is_named_and_the_command_fails(market: Market) -> None:
    market.shard.status = "stopped"
    market.shard.save()

    with pytest.raises(CommandError, match=rf"Not in effect on shards \[{market.shard.id}\]"):
        run("kill", "--instrument", market.symbol, "--reason", "runaway robot")

    assert KillEffect.objects.get(shard=market.shard).position is None


def test_a_release_asked_for_here_waits_for_another_person(market: Market) -> None:
    maker = make_user(Role.RISK_MANAGER)
    switch = kill("--instrument", market.symbol)["switch"]
    (listed,) = read("kill", "--list")
    assert (listed["switch"], listed["name"], listed["stage"]) == (switch, market.symbol, "stopped")

    asked = read("release", str(switch), "--by", maker.username, "--reason", "mended")

    assert KillSwitch.objects.get(id=switch).stage == "stopped"
    agree(ApprovalRequest.objects.get(id=asked["approval"]))
    assert KillSwitch.objects.get(id=switch).stage == "limit_only"
    said = run("release", str(switch), "--by", maker.username, "--reason", "mended")
    assert "Limit orders only -> Open" in said


def test_a_rehearsed_release_says_what_it_would_ask_for_and_asks_nothing(market: Market) -> None:
    switch = kill("--instrument", market.symbol)["switch"]
    maker = make_user(Role.RISK_MANAGER)
    before = everything_stored()

    told = read("release", str(switch), "--by", maker.username, "--reason", "mended", "--dry-run")
    said = run("release", str(switch), "--by", maker.username, "--reason", "mended", "--dry-run")

    stopped, to = "Stopped: only cancels are taken", "Limit orders only"
    assert told == {"dry_run": True, "switch": switch, "from": stopped, "to": to}
    assert f"{stopped} -> {to}, if a" in said
    assert everything_stored() == before
    with pytest.raises(CommandError):
        run("release", str(switch), "--by", maker.username, "--reason", "r" * 501, "--dry-run")


def test_who_has_no_right_to_release_asks_for_nothing(market: Market) -> None:
    switch = kill("--instrument", market.symbol)["switch"]
    support = make_user(Role.SUPPORT)

    with pytest.raises(CommandError, match="nobody who may ask"):
        run("release", str(switch), "--by", support.username, "--reason", "mended")
    maker = make_user(Role.RISK_MANAGER)
    with pytest.raises(CommandError, match="not_found"):
        run("release", "999999", "--by", maker.username, "--reason", "mended")

    assert not ApprovalRequest.objects.exists()
