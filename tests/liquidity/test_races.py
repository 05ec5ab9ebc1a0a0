"""Everything at once: margin for one, one position to close, one request id."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts.models import Deal, LedgerAccount, LedgerKind, Position
from tests.liquidity.floor import Floor, balance, make_floor, only_open
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 64


@pytest.fixture
def racing() -> Floor:
    return make_floor()


def codes(results: list[object]) -> list[str]:
    """How each ended; what is neither done nor refused is an error of ours."""
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, Refusal):
            raise result
    return sorted(result.code if isinstance(result, Refusal) else "done" for result in results)


@pytest.mark.parametrize("hedging", [False, True])
def test_margin_for_one_opens_one(racing: Floor, hedging: bool) -> None:
    account = racing.account(150, hedging=hedging)

    results = all_at_once([lambda: racing.buy(account, "0.1") for _ in range(MANY)])

    assert codes(list(results)) == sorted(["done"] + [Code.INSUFFICIENT_MARGIN] * (MANY - 1))
    assert Position.objects.get().volume == Decimal("0.1")
    assert racing.margin(account).standing.free >= 0


def test_opposite_deals_net_to_their_sum(racing: Floor) -> None:
    account = racing.account(100_000)

    results = all_at_once(
        [lambda: racing.buy(account, "0.3"), lambda: racing.sell(account, "0.2")] * (MANY // 2)
    )

    assert codes(list(results)) == ["done"] * MANY
    position = only_open(account)
    assert (position.direction, position.volume) == ("long", Decimal("3.2"))


def test_one_position_is_closed_once(racing: Floor) -> None:
    account = racing.account()
    racing.buy(account, "0.1")
    position = only_open(account)

    results = all_at_once([lambda: racing.close(position) for _ in range(MANY)])

    assert codes(list(results)) == sorted(["done"] + [Code.POSITION_NOT_OPEN] * (MANY - 1))
    assert balance(account) == "9998"


def test_one_request_id_deals_once(racing: Floor) -> None:
    account = racing.account()

    results = all_at_once([lambda: racing.buy(account, "0.1", request_id="one") for _ in range(MANY)])

    assert {deal.pk for result in results for deal in result} == {Deal.objects.get().pk}  # type: ignore[union-attr]


def test_several_accounts_leave_a_balanced_house(racing: Floor) -> None:
    accounts = [racing.account() for _ in range(8)]

    def live(number: int) -> None:
        account = accounts[number]
        for volume in ("0.1", "0.2"):
            racing.buy(account, volume)
            racing.close(only_open(account))

    results = all_at_once([lambda number=number: live(number) for number in range(8)])  # type: ignore[misc]

    assert results == [None] * 8
    rows = LedgerAccount.objects.filter(asset=racing.assets["USD"])
    assert sum(row.balance for row in rows) == 0
    assert rows.get(kind=LedgerKind.DEALING).balance == Decimal(48)
