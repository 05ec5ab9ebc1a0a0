"""The wall between demo and live money: nobody crosses it, by whatever door, and both sides work alike."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum

from accounts.models import (
    AccountType,
    LedgerAccount,
    LedgerKind,
    MoneyKind,
    PositionMode,
    TradingAccount,
    Transfer,
    TransferKind,
)
from accounts.services.correcting import correct
from accounts.services.funding import deposit
from accounts.services.money_requests import Wish, request_money
from accounts.services.posting import Cause, Ledger
from audit.actor import Actor
from instruments.models import Asset, Instrument, Realm
from instruments.services.converting import Purpose, convert
from orders.models import Order, Side, Source
from orders.services.order_lists import submit_list
from orders.services.quoting import quote_books
from orders.services.requests import ListKind, NewList
from tests.factories import (
    ACTOR,
    NOW,
    Market,
    everything_stored,
    fund,
    make_account,
    make_asset,
    make_market,
    money,
    refusal_of,
    tag,
)
from tests.liquidity.floor import Floor, all_dealt, make_floor, make_floor_instrument, only_open
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def whole_wall(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test did: afterwards nothing has crossed, and each side sums to zero by itself."""
    monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")
    yield
    findings = check_all(only=["iM2", "iM3", "iM7-fees", "iW1", "iW2", "iW3", "iW4"])
    assert [finding for finding in findings if not finding.holds] == []


@pytest.fixture
def live() -> Market:
    return make_market()


@pytest.fixture
def demo(live: Market) -> Market:
    """The same market for demo accounts, on the same shard."""
    instrument = live.instrument
    return make_market(
        shard=live.shard,
        symbol=f"{tag()}-DEMO",
        realm=Realm.DEMO,
        base=instrument.base,
        quote=instrument.quote,
    )


@pytest.fixture
def floor() -> Floor:
    return make_floor()


def refused(act: Callable[[], object]) -> Refusal:
    before = all_dealt()
    with pytest.raises(Refusal) as caught:
        act()
    assert all_dealt() == before
    return caught.value


def live_house(asset: Asset) -> list[Decimal]:
    """What the house has of an asset, in real money."""
    rows = LedgerAccount.objects.filter(account=None, asset=asset, realm=Realm.LIVE).order_by("id")
    return list(rows.values_list("balance", flat=True))


def wish(kind: MoneyKind, account: TradingAccount, amount: str, **more: Any) -> None:
    asked = Wish(
        kind=kind,
        account_id=account.pk,
        asset=account.currency.code,
        amount=Decimal(amount),
        reason="test",
        request_id=uuid.uuid4().hex,
        **more,
    )
    request_money(asked, actor=Actor.user(user_id=account.user_id, label="desk"), now=NOW)


class TestMoney:
    @pytest.fixture
    def pair(self) -> tuple[TradingAccount, TradingAccount]:
        """A live and a demo account of one person, each with 100."""
        usd = make_asset()
        own = make_account(currency=usd)
        play = make_account(currency=usd, user=own.user, type=AccountType.DEMO)
        for account in (own, play):
            fund(account, usd, 100)
        return own, play

    @pytest.mark.parametrize("inwards", [True, False])
    def test_no_transfer_between_them(
        self, pair: tuple[TradingAccount, TradingAccount], *, inwards: bool
    ) -> None:
        source, target = pair if inwards else reversed(pair)

        found = refused(lambda: wish(MoneyKind.TRANSFER, source, "1", to_account_id=target.pk))

        assert found.code == Code.DEMO_MONEY

    def test_play_money_is_not_withdrawn(self, pair: tuple[TradingAccount, TradingAccount]) -> None:
        assert refused(lambda: wish(MoneyKind.WITHDRAWAL, pair[1], "1")).code == Code.DEMO_MONEY

    def test_what_the_house_gives_and_takes_is_play_money(
        self, pair: tuple[TradingAccount, TradingAccount]
    ) -> None:
        """Deposit, adjustment up and down, credit up and down, bonus: the other side is the demo house."""
        _own, play = pair
        before = live_house(play.currency)
        for kind, amount in (
            (MoneyKind.DEPOSIT, "10"),
            (MoneyKind.ADJUSTMENT, "5"),
            (MoneyKind.ADJUSTMENT, "-3"),
            (MoneyKind.CREDIT, "20"),
            (MoneyKind.CREDIT, "-4"),
            (MoneyKind.BONUS, "7"),
        ):
            wish(kind, play, amount)

        assert money(play, play.currency) == ("112", "0")
        assert money(play, play.currency, LedgerKind.CREDIT) == ("23", "0")
        assert money(None, play.currency, LedgerKind.FUNDING, Realm.DEMO) == ("-110", "0")
        assert money(None, play.currency, LedgerKind.HOUSE, Realm.DEMO) == ("-25", "0")
        assert live_house(play.currency) == before == [Decimal(-100)]

    def test_a_correction_stays_where_its_original_was(
        self, pair: tuple[TradingAccount, TradingAccount]
    ) -> None:
        play = pair[1]
        first = Transfer.objects.get(credit__account=play)
        back = correct(
            transfer_id=first.pk, amount=Decimal(40), reason="test", request_id="c", actor=ACTOR, now=NOW
        )

        assert (first.realm, back.realm) == (Realm.DEMO, Realm.DEMO)
        assert money(None, play.currency, LedgerKind.FUNDING, Realm.DEMO) == ("-60", "0")
        assert money(None, play.currency, LedgerKind.FUNDING) == ("-100", "0")

    def test_the_ledger_itself_refuses(self, pair: tuple[TradingAccount, TradingAccount]) -> None:
        keys = [(account.pk, account.currency_id) for account in pair]
        before = everything_stored()
        with transaction.atomic():
            ledger = Ledger.lock(clients=keys, system=[(LedgerKind.FEE, pair[0].currency_id)])
            own, play = (ledger.client(*key) for key in keys)
            live_fee = ledger.system(LedgerKind.FEE, own.asset_id)
            demo_fee = ledger.system(LedgerKind.FEE, own.asset_id, Realm.DEMO)
            for debit, credit in ((own, play), (play, own), (play, live_fee), (demo_fee, own)):
                with pytest.raises(ValueError, match="not a transfer"):
                    ledger.transfer(
                        at=NOW,
                        kind=TransferKind.FEE,
                        debit=debit,
                        credit=credit,
                        amount=Decimal(1),
                        cause=Cause(),
                    )
            transaction.set_rollback(True)
        assert everything_stored() == before

    @pytest.mark.parametrize(("place", "becomes"), [(0, "demo"), (1, "live"), (1, "margin")])
    def test_the_database_lets_no_account_with_money_change_sides(
        self, pair: tuple[TradingAccount, TradingAccount], place: int, becomes: str
    ) -> None:
        with (
            pytest.raises(IntegrityError, match="ledger_of_its_accounts_realm"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "UPDATE accounts_tradingaccount SET type = %s WHERE id = %s", [becomes, pair[place].pk]
            )

    def test_the_database_lets_no_ledger_account_change_sides(
        self, pair: tuple[TradingAccount, TradingAccount]
    ) -> None:
        with (
            pytest.raises(IntegrityError, match=r"ledger_identity_is_fixed|keeps its kind"),
            transaction.atomic(),
        ):
            LedgerAccount.objects.filter(account=pair[1]).update(realm=Realm.LIVE)
        with (
            pytest.raises(IntegrityError, match=r"ledger_identity_is_fixed|keeps its kind"),
            transaction.atomic(),
        ):
            LedgerAccount.objects.filter(account=None, realm=Realm.DEMO).update(realm=Realm.LIVE)


class TestOrders:
    def test_neither_side_reaches_the_others_book(self, live: Market, demo: Market) -> None:
        own, play = live.trader(), demo.trader()
        for market, account in ((live, play), (demo, own)):
            for price in (50_000, None):
                refusal = refused(partial(market.buy, account, 1, price))
                assert (refusal.code, refusal.status) == (Code.WRONG_REALM, 403)

    def test_nor_by_a_list_or_in_a_batch(self, live: Market, demo: Market) -> None:
        own, play = live.trader(), demo.trader()
        legs = [live.request(play, Side.BUY, 1, price) for price in (49_000, 48_000)]
        asked = NewList(kind=ListKind.OTO, orders=legs)
        assert (
            refused(lambda: submit_list(asked=asked, actor=ACTOR, source=Source.API, now=NOW)).code
            == Code.WRONG_REALM
        )

        outcomes = live.send_all([live.request(own, Side.BUY, 1, 49_000), legs[0]])

        assert refusal_of(outcomes[1]).code == Code.WRONG_REALM
        assert list(Order.objects.values_list("account", flat=True)) == [own.pk]

    def test_they_never_meet_on_one_shard(self, live: Market, demo: Market) -> None:
        """Prices that would match, in one batch of one worker: each book trades with itself alone."""
        own, play = live.trader(), demo.trader()
        live.buy(own, 2, 50_000)
        demo.sell(play, 2, 49_000)
        live.drain()
        assert (live.trades(), demo.trades()) == ([], [])

        live.sell(live.trader(), 1, 50_000)
        demo.buy(demo.trader(), 1, 49_000)
        live.drain()

        assert (live.trades(), demo.trades()) == ([("1", "50000")], [("1", "49000")])
        quote = live.instrument.quote
        # 5 and 10 basis points of each trade's notional.
        assert money(None, quote, LedgerKind.FEE) == ("75", "0")
        assert money(None, quote, LedgerKind.FEE, Realm.DEMO) == ("73.5", "0")

    def test_the_realm_of_an_instrument_is_fixed(self, demo: Market) -> None:
        with pytest.raises(Exception, match="Cannot update rows"), transaction.atomic():
            Instrument.objects.filter(id=demo.instrument.pk).update(realm=Realm.LIVE)


class TestDeals:
    def test_the_other_side_of_demo_deals_is_the_demo_house(self, floor: Floor) -> None:
        """Commission, profit, loss beyond equity: none of it is the house's real money."""
        usd = floor.assets["USD"]
        own = floor.account(1_000)
        play = floor.account(1_000, type=AccountType.DEMO)
        floor.buy(own, "0.1")
        before = live_house(usd)

        floor.buy(play, "0.5")
        floor.quote("EURUSD", "1.0500", "1.0502")
        floor.close(only_open(play))

        assert live_house(usd) == before
        # Bought at 1.1002, sold at 1.0500: 50,000 x 0.0502 = 2,510 of which the client has 1,000.
        assert money(None, usd, LedgerKind.DEALING, Realm.DEMO) == ("2510", "0")
        assert money(None, usd, LedgerKind.PROTECTION, Realm.DEMO) == ("-1510", "0")
        assert money(play, usd) == ("0", "0")

    def test_real_money_does_not_deal_at_play_prices(self, floor: Floor) -> None:
        eur, usd = floor.assets["EUR"], floor.assets["USD"]
        template = floor.instruments["EURUSD"]
        floor.instruments["EURUSD-DEMO"] = make_floor_instrument(
            "EURUSD-DEMO",
            realm=Realm.DEMO,
            kind=template.kind,
            base=eur,
            quote=usd,
            tick_size=template.tick_size,
            lot_size=template.lot_size,
            contract_size=template.contract_size,
            max_leverage=500,
        )
        floor.quote("EURUSD-DEMO", "2.0000", "2.0002")
        own = floor.account(1_000)
        play = floor.account(1_000_000, type=AccountType.DEMO)

        assert refused(lambda: floor.buy(own, "0.01", "EURUSD-DEMO")).code == Code.WRONG_REALM
        floor.buy(play, "0.01", "EURUSD-DEMO")
        floor.buy(own, "0.01", "EURUSD")

        # The demo quote is the newest of the two assets, and no rate for anybody.
        worth = convert(Decimal(100), "EUR", "USD", purpose=Purpose.DEALING, now=floor.now)
        assert worth.amount == Decimal(110)

    def test_netting_is_by_account(self, floor: Floor) -> None:
        own = floor.account(1_000, position_mode=PositionMode.NETTING)
        play = floor.account(1_000, user=own.user, type=AccountType.DEMO)
        floor.buy(own, "0.01")
        floor.sell(play, "0.01")

        assert (only_open(own).volume, only_open(play).volume) == (Decimal("0.01"), Decimal("0.01"))


def test_a_demo_book_is_no_rate(live: Market, demo: Market) -> None:
    """Orders of demo accounts move the quote of their instrument, and what nothing else is worth."""
    base, quote = live.instrument.base, live.instrument.quote
    live.buy(live.trader(), 1, 49_999)
    live.sell(live.trader(), 1, 50_001)
    play = demo.trader()
    demo.buy(play, 1, 53_999)
    demo.sell(demo.trader(), 1, 54_001)
    live.drain()
    quote_books(now=NOW)

    worth = convert(Decimal(1), base.code, quote.code, purpose=Purpose.VALUATION, now=NOW)

    assert worth.amount == Decimal(50_000)


def test_the_house_has_each_account_once_for_each_realm(live: Market, demo: Market) -> None:
    for market in (live, demo):
        market.sell(market.trader(), 1, 50_000)
        market.buy(market.trader(), 1, 50_000)
    live.drain()

    rows = LedgerAccount.objects.filter(account=None, asset=live.instrument.quote)
    assert sorted(rows.values_list("kind", "realm")) == sorted(
        (kind, realm)
        for kind in ("fee", "funding", "rounding")
        for realm in (Realm.DEMO.value, Realm.LIVE.value)
    )
    sums = LedgerAccount.objects.values("asset", "realm").annotate(sum=Sum("balance"))
    assert {row["sum"] for row in sums} == {Decimal(0)}


def test_an_opening_deposit_of_a_demo_account_is_play_money() -> None:
    usd = make_asset()
    play = make_account(currency=usd, type=AccountType.DEMO)
    deposit(
        account_id=play.pk,
        asset=usd.code,
        amount=Decimal(5),
        reason="test",
        request_id=uuid.uuid4().hex,
        actor=ACTOR,
        now=NOW,
    )

    assert money(None, usd, LedgerKind.FUNDING, Realm.DEMO) == ("-5", "0")
    assert not LedgerAccount.objects.filter(asset=usd, realm=Realm.LIVE).exists()
