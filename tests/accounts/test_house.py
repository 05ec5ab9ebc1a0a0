"""What the house earned, book by book: added up from what clients were told, and again from the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.house_selectors import OWN, HouseResult, house_results
from accounts.models import AccountType, Deal, LedgerAccount, LedgerKind, MoneyKind, Transfer, TransferKind
from accounts.services.correcting import correct
from accounts.statement_selectors import Period, balances_before
from instruments.models import Realm
from orders.models import Fill, Side
from tests.accounts.wishing import ask_money, client_account
from tests.factories import ACTOR, NOW, Market, make_market
from tests.liquidity.floor import Floor
from tests.liquidity.living import lived_dealing

pytestmark = pytest.mark.django_db

TODAY = Period(NOW.date(), NOW.date())
TOMORROW = Period(NOW.date() + timedelta(days=1), NOW.date() + timedelta(days=1))
ZERO = Decimal(0)


@pytest.fixture
def floor() -> Floor:
    """Deals of every kind in two currencies, with credit and protection."""
    return lived_dealing()


@pytest.fixture
def market() -> Market:
    """Five trades of odd amounts."""
    market = make_market()
    seller, buyer = market.trader(), market.trader()
    for quantity, price in (("0.1237", "50000.01"), ("0.3331", "49999.97"), ("1", "50123.45")):
        market.send(market.request(seller, Side.SELL, quantity, price))
        market.send(market.request(buyer, Side.BUY, quantity, price))
    market.drain()
    return market


def of(found: Iterable[HouseResult], book: str, asset: str) -> HouseResult:
    (row,) = [row for row in found if (row.book, row.asset) == (book, asset)]
    return row


def test_dealing_is_the_other_side_of_the_deals(floor: Floor) -> None:
    """Computed from the deals, which say what each client gained and was charged."""
    clients: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for deal in Deal.objects.select_related("account__currency"):
        code = deal.account.currency.code
        for name in ("pnl", "swap", "commission"):
            clients[code][name] += getattr(deal, name)
    found = house_results(TODAY)

    assert {code for code in clients if any(clients[code].values())} == {
        row.asset for row in found if row.book == "dealing"
    }
    for code, told in clients.items():
        row = of(found, "dealing", code)
        assert (row.pnl, row.swap, row.commission) == (-told["pnl"], -told["swap"], told["commission"])
        assert (row.fees, row.other) == (ZERO, ZERO)


def test_protection_is_what_was_paid_for_those_who_could_not(floor: Floor) -> None:
    paid = LedgerAccount.objects.get(kind=LedgerKind.PROTECTION, asset=floor.assets["USD"]).balance

    assert of(house_results(TODAY), "dealing", "USD").protection == paid < 0


def test_the_exchange_earns_the_fees_of_the_fills(market: Market) -> None:
    """Computed from the fills: exactly what they were charged, whichever account rounding left it on."""
    code = market.instrument.quote.code
    charged = sum((fill.fee for fill in Fill.objects.all()), ZERO)

    row = of(house_results(TODAY), "exchange", code)

    kept = LedgerAccount.objects.filter(
        kind__in=[LedgerKind.FEE, LedgerKind.ROUNDING], asset__code=code
    ).values_list("balance", flat=True)
    assert row.fees == charged == sum(kept)
    assert len([balance for balance in kept if balance]) == 2
    assert (row.commission, row.pnl, row.swap, row.protection, row.other) == (ZERO,) * 5


def test_every_book_together_is_what_the_house_owns_more(floor: Floor, market: Market) -> None:
    """And what everybody else owns less: the ledger sums to zero, before the day and after it."""
    found = house_results(TODAY)
    accounts = list(LedgerAccount.objects.select_related("asset"))
    before = balances_before([row.pk for row in accounts], TODAY.since)
    after = balances_before([row.pk for row in accounts], TODAY.until)
    ours: dict[str, Decimal] = defaultdict(Decimal)
    others: dict[str, Decimal] = defaultdict(Decimal)
    for row in accounts:
        side = ours if LedgerKind(row.kind) in OWN else others
        side[row.asset.code] += after[row.pk] - before[row.pk]

    added: dict[str, Decimal] = defaultdict(Decimal)
    for result in found:
        added[result.asset] += result.net

    assert {code: net for code, net in added.items() if net} == {
        code: change for code, change in ours.items() if change
    }
    assert all(ours[code] + others[code] == 0 for code in others)


def test_a_correction_belongs_where_what_it_corrects_does(floor: Floor) -> None:
    before = of(house_results(TODAY), "dealing", "EUR")
    charged = Transfer.objects.filter(kind=TransferKind.COMMISSION, asset__code="EUR").earliest("id")

    back = correct(
        transfer_id=charged.pk, amount=charged.amount, reason="waived", request_id="c", actor=ACTOR,
        now=floor.now,
    )  # fmt: skip
    waived = of(house_results(TODAY), "dealing", "EUR")
    again = Decimal("0.01")
    correct(
        transfer_id=back.pk, amount=again, reason="not all", request_id="d", actor=ACTOR, now=floor.now
    )  # fmt: skip
    partly = of(house_results(TODAY), "dealing", "EUR")

    assert waived.commission == before.commission - charged.amount
    assert partly.commission == waived.commission + again
    assert [row.book for row in house_results(TODAY) if row.asset == "EUR"] == ["dealing"]


def test_what_we_give_is_in_neither_book(floor: Floor) -> None:
    account = client_account()
    ask_money(MoneyKind.BONUS, account, "12.5")
    ask_money(MoneyKind.DEPOSIT, account, "1000", "two")

    # What was lent to an account of the floor, too.
    assert of(house_results(TODAY), "other", "USD").net == Decimal("-62.5")


def test_demo_money_is_no_result_of_ours(floor: Floor) -> None:
    before = house_results(TODAY)
    demo = floor.account(type=AccountType.DEMO)
    floor.buy(demo, "0.1")
    floor.close(demo.positions.get(closed_at__isnull=True))

    assert house_results(TODAY) == before
    assert of(house_results(TODAY, Realm.DEMO), "dealing", "USD").pnl == Decimal(2)


def test_only_the_days_that_were_asked_for(floor: Floor, market: Market) -> None:
    assert house_results(TOMORROW) == []
