"""A dealing floor: four markets as the scenarios have them, accounts, and short words for what clients do."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import (
    AccountType,
    Deal,
    LedgerAccount,
    LedgerKind,
    MoneyKind,
    Position,
    PositionMode,
    TradingAccount,
    Transfer,
)
from accounts.services.money_requests import Wish, request_money
from audit.actor import Actor
from instruments.models import Asset, Instrument, InstrumentKind
from instruments.services.pricing import NewQuote, record_quotes
from liquidity.selectors import MarginState, margin_of
from liquidity.services import dealing
from liquidity.services.dealing import Ask, Exits
from tests.factories import ACTOR, NOW, everything_stored, fund, make_account, short

SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class Floor:
    """Assets by code, instruments by symbol, and a clock that only tests move."""

    assets: dict[str, Asset]
    instruments: dict[str, Instrument]
    now: datetime = NOW
    _ticks: int = field(default=0)

    def quote(self, symbol: str, bid: str, ask: str, *, at: datetime | None = None) -> None:
        """A new quote, a microsecond after the last unless it is said when."""
        if at is None:
            self._ticks += 1
            at = self.now + timedelta(microseconds=self._ticks)
        number = self.instruments[symbol].pk
        record_quotes([NewQuote(number, Decimal(bid), Decimal(ask), at, "test")], now=at)
        self.now = max(self.now, at)

    def account(
        self,
        balance: str | int = 10_000,
        *,
        currency: str = "USD",
        hedging: bool = False,
        **changes: Any,
    ) -> TradingAccount:
        """A margin account with leverage 100, netting unless told otherwise."""
        mode = PositionMode.HEDGING if hedging else PositionMode.NETTING
        values: dict[str, Any] = {
            "type": AccountType.MARGIN,
            "leverage": 100,
            "position_mode": mode,
        } | changes
        account = make_account(currency=self.assets[currency], **values)
        fund(account, self.assets[currency], balance)
        return account

    def ask(self, account: TradingAccount, request_id: str | None = None, reason: str = "") -> Ask:
        """A request of now, with an id of its own unless one is given."""
        return Ask(account.pk, request_id or uuid.uuid4().hex, ACTOR, self.now, reason)

    def buy(self, account: TradingAccount, volume: str, symbol: str = "EURUSD", **how: Any) -> list[Deal]:
        """Buy contracts."""
        return self.deal(account, volume, symbol, buys=True, **how)

    def sell(self, account: TradingAccount, volume: str, symbol: str = "EURUSD", **how: Any) -> list[Deal]:
        """Sell contracts."""
        return self.deal(account, volume, symbol, buys=False, **how)

    def deal(
        self,
        account: TradingAccount,
        volume: str,
        symbol: str,
        *,
        buys: bool,
        request_id: str | None = None,
        stop_loss: str | None = None,
        take_profit: str | None = None,
    ) -> list[Deal]:
        """Open through the service."""
        return dealing.open_position(
            self.ask(account, request_id),
            symbol=symbol,
            buys=buys,
            volume=Decimal(volume),
            exits=exits(stop_loss, take_profit),
        )

    def close(self, position: Position, volume: str | None = None, **how: Any) -> list[Deal]:
        """Close all of it, or a part."""
        part = None if volume is None else Decimal(volume)
        return dealing.close_position(self.ask(position.account, **how), position_id=position.pk, volume=part)

    def amend(self, account: TradingAccount, request_id: str | None = None, **changes: str | None) -> None:
        """Change exits of the account's only open position."""
        dealing.amend_exits(
            self.ask(account, request_id),
            position_id=only_open(account).pk,
            changes={name: None if price is None else Decimal(price) for name, price in changes.items()},
        )

    def margin(self, account: TradingAccount) -> MarginState:
        """How it stands now."""
        return margin_of(account.pk, now=self.now)

    def lend(self, account: TradingAccount, amount: str) -> None:
        """Credit from the house, as a person asks for it."""
        wish = Wish(
            kind=MoneyKind.CREDIT,
            account_id=account.pk,
            asset=account.currency.code,
            amount=Decimal(amount),
            reason="welcome",
            request_id=uuid.uuid4().hex,
        )
        request_money(wish, actor=Actor.user(user_id=account.user_id, label="desk"), now=self.now)


def exits(stop_loss: str | None = None, take_profit: str | None = None) -> Exits:
    """Both as decimals."""
    return Exits(
        None if stop_loss is None else Decimal(stop_loss),
        None if take_profit is None else Decimal(take_profit),
    )


def make_floor() -> Floor:
    """EURUSD, USDJPY, XAUUSD and ETHUSD, quoted now; currencies with their usual decimals."""
    decimals = {"USD": 2, "EUR": 2, "JPY": 8, "XAU": 4, "ETH": 8}
    assets = {
        code: Asset.objects.get_or_create(code=code, defaults={"name": code, "decimals": digits})[0]
        for code, digits in decimals.items()
    }
    kinds = InstrumentKind
    rows = {
        "EURUSD": (kinds.FOREX, "EUR", "USD", "0.00001", "0.01", 100_000, 500),
        "USDJPY": (kinds.FOREX, "USD", "JPY", "0.001", "0.01", 100_000, 500),
        "XAUUSD": (kinds.COMMODITY, "XAU", "USD", "0.01", "0.01", 100, 200),
        "ETHUSD": (kinds.CRYPTO, "ETH", "USD", "0.01", "0.01", 1, 100),
    }
    floor = Floor(assets, {})
    for symbol, (kind, base, quote, tick, lot, contract, leverage) in rows.items():
        floor.instruments[symbol] = make_floor_instrument(
            symbol,
            kind=kind,
            base=assets[base],
            quote=assets[quote],
            tick_size=Decimal(tick),
            lot_size=Decimal(lot),
            contract_size=Decimal(contract),
            max_leverage=leverage,
        )
    floor.quote("EURUSD", "1.1000", "1.1002")
    floor.quote("USDJPY", "150.000", "150.020")
    floor.quote("XAUUSD", "2400.00", "2401.00")
    floor.quote("ETHUSD", "2000.00", "2000.00")
    return floor


def make_floor_instrument(symbol: str, **values: Any) -> Instrument:
    """Volumes from 0.01 to 100. Assets that keep fewer digits than tick x lot are no hindrance here."""
    instrument = Instrument(
        symbol=symbol,
        display_name=symbol,
        min_quantity=Decimal("0.01"),
        max_quantity=Decimal(100),
        reference_price=Decimal(0),
        **values,
    )
    instrument.save(force_insert=True)
    return instrument


def only_open(account: TradingAccount) -> Position:
    """The account's only open position."""
    return Position.objects.get(account=account, closed_at__isnull=True)


def money_lines(deal: Deal) -> list[tuple[str, str, str, str]]:
    """(kind, debit kind, credit kind, amount) of each transfer of the deal's entry, in order."""
    rows = (
        Transfer.objects.filter(entry_id=deal.entry_id or 0).select_related("debit", "credit").order_by("id")
    )
    return [(row.kind, row.debit.kind, row.credit.kind, short(row.amount)) for row in rows]


def balance(account: TradingAccount, kind: LedgerKind = LedgerKind.CLIENT) -> str:
    """In the account's currency, of the client or of its credit."""
    row = LedgerAccount.objects.filter(account=account, asset=account.currency, kind=kind).first()
    return short(row.balance) if row else "0"


def house(asset: Asset, kind: LedgerKind) -> str:
    """What the house has of an asset on one of its accounts."""
    row = LedgerAccount.objects.filter(account=None, asset=asset, kind=kind).first()
    return short(row.balance) if row else "0"


def all_dealt() -> object:
    """A picture of positions, deals and money, to prove that a refusal moved nothing."""
    return (
        everything_stored(),
        list(Position.objects.order_by("id").values()),
        Deal.objects.count(),
        Transfer.objects.count(),
        sorted(LedgerAccount.objects.values_list("id", "reserved")),
    )


def figures(deals: Sequence[Deal]) -> list[tuple[str, str, str, str]]:
    """(kind, volume, price, pnl) of each deal."""
    return [(d.kind, short(d.volume), short(d.price or Decimal(0)), short(d.pnl)) for d in deals]
