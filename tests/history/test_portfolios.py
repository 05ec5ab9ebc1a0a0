"""Portfolios: the sums of what is in them, at any time; an owner's holds the owner's accounts alone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditRecord
from orders.history.models import Portfolio
from orders.history.selectors import position_at
from orders.history.services.portfolios import content_of
from tests.factories import make_account, make_instrument, short
from tests.history.telling import make_portfolio, make_position, second, tell_each, told
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


def test_positions_and_profits_add_up_at_every_moment() -> None:
    first, gold = make_position()
    other = make_account(currency=gold.quote)
    stranger = make_account(currency=gold.quote)
    silver = make_instrument(quote=gold.quote)
    euro = make_instrument()
    tell_each([
        told(first, gold, 10, 5, price=100, fee="1"), told(other, gold, 20, -2, price=110),
        told(first, gold, 30, -5, price=120), told(first, silver, 15, 7, price=3),
        told(other, euro, 15, 4, price=2), told(stranger, gold, 10, 1000, price=1),
    ])  # fmt: skip
    portfolio = make_portfolio(first, other)

    for at in (5, 10, 15, 20, 30):
        content = content_of(portfolio, at=second(at))
        for instrument in (gold, silver, euro):
            parts = [
                position_at(instrument_id=instrument.pk, account_ids=[account.pk], at=second(at))
                for account in (first, other)
            ]
            summed = {row.pk: found.standing for row, found in content.positions}.get(instrument.pk)
            standings = [part.standing for part in parts if part]
            for name in ("quantity", "cost", "realised", "fees"):
                total = sum((getattr(each, name) for each in standings), Decimal(0))
                assert total == (getattr(summed, name) if summed else 0)
        for total_ in content.totals:
            own = [found.standing for row, found in content.positions if row.quote.code == total_.asset]
            assert total_.realised == sum((each.realised for each in own), Decimal(0))
            assert total_.cost == sum((each.cost for each in own), Decimal(0))

    now = content_of(portfolio, at=None)
    assert [(row.symbol, short(found.standing.quantity)) for row, found in now.positions] == sorted(
        [(gold.symbol, "-2"), (silver.symbol, "7"), (euro.symbol, "4")]
    )
    assert {(row.asset, short(row.cost), short(row.realised), short(row.fees)) for row in now.totals} == {
        (gold.quote.code, "-199", "100", "1"),
        (euro.quote.code, "8", "0", "0"),
    }


def test_named_instruments_narrow_it() -> None:
    account, gold = make_position()
    silver = make_instrument(quote=gold.quote)
    tell_each([told(account, gold, 10, 5), told(account, silver, 10, 7)])

    content = content_of(make_portfolio(account, instrument_ids=[silver.pk]), at=None)

    assert [row for row, _found in content.positions] == [silver]


def test_an_owners_portfolio_holds_no_account_of_another() -> None:
    account, instrument = make_position()
    other = make_account(currency=instrument.quote)

    with pytest.raises(Refusal) as caught:
        make_portfolio(account, other, owner=account.user)

    assert caught.value.code == Code.ACCOUNT_NOT_FOUND
    assert not Portfolio.objects.exists()


def test_changes_are_recorded_with_what_was_and_what_is() -> None:
    account, instrument = make_position()
    portfolio = make_portfolio(account)
    make_portfolio(account, portfolio_id=portfolio.pk, name=portfolio.name, instrument_ids=[instrument.pk])

    record = AuditRecord.objects.get(action="history.portfolio.change")
    assert (record.before["instruments"], record.after["instruments"]) == ([], [instrument.symbol])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda portfolio: {"portfolio_id": portfolio.pk, "name": portfolio.name}, Code.NO_CHANGE),
        (lambda portfolio: {"name": portfolio.name}, Code.INVALID_FIELD),
        (lambda _portfolio: {"name": " "}, Code.INVALID_FIELD),
        (lambda _portfolio: {"account_ids": []}, Code.INVALID_FIELD),
        (lambda _portfolio: {"reason": " "}, Code.REASON_REQUIRED),
        (lambda _portfolio: {"portfolio_id": 10**9}, Code.NOT_FOUND),
        (lambda _portfolio: {"owner_id": 10**9}, Code.NOT_FOUND),
    ],
)
def test_what_is_wrong_is_refused(change: Callable[[Portfolio], dict[str, Any]], code: Code) -> None:
    account, _instrument = make_position()
    portfolio = make_portfolio(account)

    with pytest.raises(Refusal) as caught:
        make_portfolio(account, **change(portfolio))

    assert caught.value.code == code
    assert Portfolio.objects.count() == 1


def test_the_command_prints_it() -> None:
    account, instrument = make_position()
    tell_each([told(account, instrument, 10, 5)])
    portfolio = make_portfolio(account)
    out = StringIO()

    call_command("portfolio", portfolio.name, stdout=out)

    assert "Totals of" in out.getvalue()
    with pytest.raises(CommandError, match="No portfolio has the name"):
        call_command("portfolio", "none")
