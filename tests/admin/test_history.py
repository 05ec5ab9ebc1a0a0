"""Positions over time in the back office: the chart, the freeze button, portfolios."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.test import Client

from accounts.models import Role
from orders.history.admin.steps import path_of
from orders.history.models import FrozenPeriod, LivePosition, Portfolio, PositionPoint
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import errors, press, recorded, said
from tests.admin.registry import address
from tests.history.telling import make_position, second, tell_each, told


class TestChart:
    def test_a_value_holds_until_the_next(self) -> None:
        points = [(second(0), Decimal(0)), (second(5), Decimal(10)), (second(10), Decimal(5))]

        assert path_of(points) == "M 0 190.0 H 500.0 V 10.0 H 1000.0 V 100.0 H 1000"

    def test_one_point_is_a_line_in_the_middle(self) -> None:
        assert path_of([(second(0), Decimal(7))]) == "M 0 100.0 H 1000"


class TestPosition:
    def test_its_page_shows_now_over_time_and_every_point(self, boss: Client) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, 10, 5, price=100), told(account, instrument, 20, -2, price=110)])
        row = LivePosition.objects.get(account=account)

        page = boss.get(address(LivePosition, "change", row.pk)).content.decode()

        assert "M 0 " in page
        assert "Long" in page
        assert page.count("External trade ") == 2
        on_account = boss.get(address(type(account), "change", account.pk)).content.decode()
        assert f"#{row.pk}" in on_account

    def test_a_correction_is_marked_with_its_true_time(self, boss: Client, lived: Lived) -> None:
        point = PositionPoint.objects.exclude(true_at=None).get()
        row = LivePosition.objects.get(account=point.account, instrument=point.instrument)

        page = boss.get(address(LivePosition, "change", row.pk)).content.decode()

        assert f"of {point.true_at:%Y-%m-%d %H:%M:%S.%f} UTC" in page


class TestFreeze:
    URL = address(FrozenPeriod, "new", "freeze")

    def test_shows_what_becomes_final_before_it_does(self, boss: Client) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, 10, 5)])
        answers: dict[str, Any] = {
            "instrument": instrument.symbol,
            "until": "1970-01-01T00:00:11Z",
            "reason": "reported",
        }

        shown = press(boss, self.URL, **answers)
        assert "Points that change no more" in shown.content.decode()
        assert not FrozenPeriod.objects.exists()
        done = press(boss, self.URL, confirm=True, **answers)

        assert "Frozen until 1970-01-01T00:00:11" in said(done)
        period = FrozenPeriod.objects.get()
        assert (period.points, period.instrument) == (1, instrument)
        (record,) = recorded("history.period.freeze")
        assert record.reason == "reported"
        again = press(boss, self.URL, confirm=True, **answers)
        assert "does not thaw" in again.content.decode()

    def test_a_moment_must_name_its_zone(self, boss: Client) -> None:
        answer = press(boss, self.URL, instrument="all", until="2026-01-01", reason="x")

        assert "Write a moment with its zone" in errors(answer)["until"][0]

    def test_support_may_look_and_not_press(self, sign_in: SignIn) -> None:
        client = sign_in(Role.SUPPORT)

        assert client.get(address(FrozenPeriod, "changelist")).status_code == 200
        assert client.get(self.URL).status_code == 403


class TestPortfolio:
    URL = address(Portfolio, "new", "add")

    def test_is_made_and_changed_by_names(self, boss: Client) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, 10, 5)])
        answers: dict[str, Any] = {
            "name": "Metals", "owner": account.user.username, "accounts": account.account_number,
            "instruments": "", "reason": "asked for",
        }  # fmt: skip

        press(boss, self.URL, confirm=True, **answers)
        portfolio = Portfolio.objects.get()
        page = address(Portfolio, "change", portfolio.pk)
        assert "Nothing is converted" in boss.get(page).content.decode()
        press(boss, address(Portfolio, "act", portfolio.pk, "edit"), confirm=True,
              instruments=instrument.symbol, reason="narrower")  # fmt: skip

        assert list(portfolio.instruments.all()) == [instrument]
        assert portfolio.owner == account.user

    def test_names_that_are_not_there_are_told(self, boss: Client) -> None:
        account, _instrument = make_position()
        answers: dict[str, Any] = {"name": "X", "accounts": f"{account.account_number} NOBODY", "reason": "x"}

        answer = press(boss, self.URL, **answers)

        assert errors(answer)["accounts"] == ["Not found: NOBODY."]
