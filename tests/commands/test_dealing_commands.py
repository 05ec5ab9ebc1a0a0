"""`manage.py swap` and `stopout`: tables, JSON, dry runs, and running again."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Position
from instruments.models import Instrument
from tests.liquidity.floor import Floor, all_dealt, balance, make_floor

pytestmark = pytest.mark.django_db


def run(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


def report(*arguments: str, **options: Any) -> Any:
    return json.loads(run(*arguments, json=True, **options))


@pytest.fixture
def floor() -> Floor:
    floor = make_floor()
    Instrument.objects.filter(symbol="EURUSD").update(swap_long=Decimal("-7.5"), swap_triple_day=6)
    floor.now = timezone.now() - timedelta(days=2)
    floor.quote("EURUSD", "1.1000", "1.1002", at=floor.now)
    return floor


class TestSwap:
    def test_charges_a_day_and_adds_nothing_when_run_again(self, floor: Floor) -> None:
        account = floor.account()
        floor.buy(account, "1")
        day = str(floor.now.date())

        first = report("swap", "--date", day)
        second = report("swap", "--date", day)

        charged = first["totals"]["USD"]
        assert (first["positions"], charged in {"-7.5", "-22.5"}) == (1, True)
        assert (second["positions"], second["totals"]) == (0, {})
        assert Decimal(balance(account)) == Decimal(10_000) + Decimal(charged)

    def test_a_dry_run_changes_nothing(self, floor: Floor) -> None:
        floor.buy(floor.account(), "1")
        before = all_dealt()

        printed = run("swap", "--date", str(floor.now.date()), dry_run=True)

        assert "dry run" in printed
        assert all_dealt() == before

    def test_a_day_that_has_not_ended_is_refused(self, floor: Floor) -> None:
        with pytest.raises(CommandError, match="has not ended yet"):
            run("swap", "--date", str(timezone.now().date()))

    def test_what_is_no_day_is_refused(self, floor: Floor) -> None:
        with pytest.raises(CommandError, match="a day, such as"):
            run("swap", "--date", "yesterday")


class TestStopOut:
    @pytest.fixture
    def poor(self, floor: Floor) -> str:
        account = floor.account(150)
        floor.buy(account, "0.1")
        floor.buy(floor.account(), "0.1")
        floor.quote("EURUSD", "1.0900", "1.0902", at=timezone.now())
        return account.account_number

    def test_closes_those_below_and_no_others(self, floor: Floor, poor: str) -> None:
        closed = report("stopout")["closed"]

        assert [(row["account"], row["symbol"], row["pnl"]) for row in closed] == [(poor, "EURUSD", "-102")]
        assert Position.objects.filter(closed_at__isnull=True).count() == 1
        assert report("stopout")["closed"] == []
        assert run("stopout") == "Nothing was closed: no account is below its stop-out level.\n"

    def test_a_dry_run_changes_nothing(self, floor: Floor, poor: str) -> None:
        before = all_dealt()

        assert len(report("stopout", poor, dry_run=True)["closed"]) == 1
        assert all_dealt() == before

    def test_of_an_unknown_account_is_an_error(self, floor: Floor) -> None:
        with pytest.raises(CommandError, match="No such account: NOPE"):
            run("stopout", "NOPE")
