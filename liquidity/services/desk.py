"""The dealing desk of one account: its positions in memory, changed under the account's lock, written once.

Whoever deals, charges swap or closes by force goes through a `Desk` inside one transaction. The account's row
is locked from the first look to the last write, so no margin is promised twice; the ledger is locked last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from accounts.models import (
    Deal,
    DealKind,
    Direction,
    LedgerAccount,
    LedgerKind,
    MarginMethod,
    Position,
    PositionMode,
    TradingAccount,
)
from accounts.services.posting import Cause, Entry, Ledger, OpenAccount
from instruments.models import Asset
from instruments.scaling import product, quotient, round_half_even, short_text
from instruments.services.converting import Purpose, Rate, Rates, load_rates
from liquidity.services.terms import Terms, load_terms
from liquidity.services.till import SYSTEM, Till, cause_of
from liquidity.services.valuing import Valuation, gain, value
from risk.services.margin import Standing
from risk.services.stops import stops_of
from tradeplatform.common.db import next_ids, require_transaction
from tradeplatform.common.errors import Code, Refusal

_ZERO = Decimal(0)
_COST_DIGITS = 18
# Deals that nobody trades by.
_BOOKKEEPING = frozenset({DealKind.SWAP, DealKind.RESET})


@dataclass(slots=True)
class Drafted:
    """A deal that is not written yet, and how its money moves."""

    deal: Deal
    entry: Entry | None = None


@dataclass(slots=True)
class Desk:
    """A working copy of one account: `lock` it, change it, `settle` it before the transaction ends."""

    account: TradingAccount
    now: datetime
    positions: dict[int, Position]
    terms: dict[int, Terms]
    rates: Rates
    #: What the deals are asked for with, such as an API key; see Actor.credential.
    credential: str = ""
    drafts: list[Drafted] = field(default_factory=list)
    _new: set[int] = field(default_factory=set)
    _changed: set[int] = field(default_factory=set)

    @classmethod
    def lock(cls, account_id: int, *, now: datetime, instruments: Iterable[int] = ()) -> Desk:
        """Lock the account and read its open positions, with the terms of those and of `instruments`.

        Raises Refusal account_not_found.
        """
        require_transaction()
        account = (
            TradingAccount.objects.select_for_update(no_key=True, of=("self",))
            .select_related("group__commission_asset", "currency")
            .filter(id=account_id)
            .first()
        )
        if account is None:
            raise Refusal(Code.ACCOUNT_NOT_FOUND, "No such account.", account=str(account_id))
        return cls.of(account, now=now, instruments=instruments)

    @classmethod
    def of(cls, account: TradingAccount, *, now: datetime, instruments: Iterable[int] = ()) -> Desk:
        """The desk of an account whose row this transaction has locked, or that is only looked at."""
        held = list(Position.objects.filter(account=account, closed_at__isnull=True).order_by("id"))
        wanted = {*instruments, *(position.instrument_id for position in held)}
        return cls(
            account=account,
            now=now,
            positions={position.pk: position for position in held},
            terms=load_terms(account, wanted) if wanted else {},
            # Without a position there is nothing to convert.
            rates=load_rates(now=now) if wanted else Rates(now, (), {}),
        )

    @property
    def currency(self) -> Asset:
        """What the account is kept in."""
        return self.account.currency

    @property
    def method(self) -> MarginMethod:
        """How its margin is computed."""
        return MarginMethod(self.account.group.margin_method if self.account.group else MarginMethod.RETAIL)

    def find(self, position_id: int) -> Position:
        """An open position of the account. Raises position_not_found, position_not_open."""
        found = self.positions.get(position_id)
        if found is not None and found.is_open:
            return found
        if not Position.objects.filter(id=position_id, account=self.account).exists():
            raise Refusal(Code.POSITION_NOT_FOUND, "No such position.", position=str(position_id))
        raise Refusal(Code.POSITION_NOT_OPEN, "The position is closed already.", position=str(position_id))

    def held(self, instrument_id: int) -> Position | None:
        """The open position that deals in the instrument are netted with, if there is one."""
        for position in self.positions.values():
            if position.instrument_id == instrument_id and position.netting and position.is_open:
                return position
        return None

    def value(self) -> Valuation:
        """All positions as they stand in memory. Raises no_price, no_rate."""
        return value(
            [position for position in self.positions.values() if position.is_open],
            self.terms,
            self.rates,
            currency=self.currency,
            method=self.method,
        )

    def standing(self, valued: Valuation) -> Standing:
        """How the account stands by its ledger of now, without a lock on it, drafted deals included."""
        rows = LedgerAccount.objects.filter(account=self.account, asset=self.currency)
        ledger = {row.kind: row for row in rows}
        client = ledger.get(LedgerKind.CLIENT, LedgerAccount())
        credit = ledger.get(LedgerKind.CREDIT, LedgerAccount())
        return self._standing(valued, client, credit, still_to_move=True)

    def open(self, instrument_id: int, direction: Direction, volume: Decimal, price: Decimal) -> Position:
        """Hold more: a position of its own, or more of the one that is netted with."""
        netting = self.account.position_mode == PositionMode.NETTING
        position = self.held(instrument_id) if netting else None
        if position is None:
            position = Position(
                id=next_ids("accounts_position_id_seq", 1)[0],
                account=self.account,
                instrument_id=instrument_id,
                direction=direction,
                netting=netting,
                volume=_ZERO,
                contract_size=self.terms[instrument_id].instrument.contract_size,
                cost=_ZERO,
                opened_at=self.now,
            )
            self.positions[position.pk] = position
            self._new.add(position.pk)
        cost = product(volume, price)
        self._draft(position, DealKind.OPEN, volume, price, cost=cost)
        return position

    def close(
        self,
        position: Position,
        volume: Decimal,
        price: Decimal,
        *,
        kind: DealKind,
        proceeds: Decimal | None = None,
    ) -> Deal:
        """Hold less: realise what the part gains or loses. `proceeds` if they are not volume x price exactly.

        A reset of play money takes older rates than dealing does, at mid. Raises no_rate.
        """
        cost = self.cost_of(position, volume)
        profit = gain(position, proceeds=product(volume, price) if proceeds is None else proceeds, cost=cost)
        quote = self.terms[position.instrument_id].quote_code
        purpose = Purpose.VALUATION if kind == DealKind.RESET else Purpose.DEALING
        realised = self.rates.convert(profit, quote, self.currency.code, purpose=purpose)
        return self._draft(
            position, kind, volume, price, cost=-cost, profit=profit, rate=realised.rate, pnl=realised.amount
        )

    def cost_of(self, position: Position, volume: Decimal) -> Decimal:
        """The part of the position's cost that goes with so much of its volume; all of it with the rest."""
        whole: Decimal = position.cost
        if volume == position.volume:
            return whole
        return quotient(product(whole, volume), position.volume, _COST_DIGITS)

    def result_at(self, position: Position, price: Decimal) -> Decimal:
        """What all of it would have brought if it were closed at this price, after the costs of its life.

        In the account's currency at the rates of now; of parts closed before the costs count, and no gain.
        Raises no_rate.
        """
        profit = gain(position, proceeds=product(position.volume, price), cost=position.cost)
        quote = self.terms[position.instrument_id].quote_code
        realised = self.rates.convert(profit, quote, self.currency.code, purpose=Purpose.DEALING).amount
        costs: Decimal = position.commission + self._commission(position, position.volume, price)
        result: Decimal = realised + position.swap - costs
        return result

    def swap(self, position: Position, amount: Decimal, rate: Rate) -> Deal:
        """Credit (or below zero: charge) a night, in the account's currency."""
        position.swap += amount
        self._changed.add(position.pk)
        deal = Deal(
            at=self.now,
            account=self.account,
            position=position,
            instrument_id=position.instrument_id,
            kind=DealKind.SWAP,
            buys=position.direction == Direction.LONG,
            volume=_ZERO,
            contract_size=position.contract_size,
            rate=rate.value,
            swap=amount,
        )
        self.drafts.append(Drafted(deal))
        return deal

    def set_exits(
        self, position: Position, *, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        """Replace both exits; quotes touch them from now on."""
        position.stop_loss, position.take_profit, position.exits_at = stop_loss, take_profit, self.now
        self._changed.add(position.pk)

    def settle(self, cause: Cause, *, needs_margin: bool) -> list[Deal]:
        """Move the money, write positions and deals, and reserve what the positions need; the deals by id.

        Raises Refusal: killed, insufficient_margin, no_price, no_rate.
        """
        keys = [(self.account.pk, self.currency.pk)]
        ledger = Ledger.lock(clients=keys, credits=keys, system=[(kind, self.currency.pk) for kind in SYSTEM])
        client, credit = ledger.client(*keys[0]), ledger.credit(*keys[0])
        self._check_not_stopped()
        valued = self._valued(needed=needs_margin)
        if needs_margin and valued is not None:
            self._check_margin(self._standing(valued, client, credit, still_to_move=True))
        for draft in self.drafts:
            symbol = self.terms[draft.deal.instrument_id].instrument.symbol
            because = cause_of(draft.deal, symbol, cause)
            till = Till(ledger, client, credit, self.currency, self.now, because)
            draft.entry = till.move(draft.deal)
        if valued is not None:
            ledger.reserve(client, self._standing(valued, client, credit).reserved)
        ids = ledger.flush()
        return self._write(cause, ids)

    def _check_not_stopped(self) -> None:
        """At the last moment refuse what the kill switch stops: every deal is one at the market's price."""
        traded = {draft.deal.instrument_id for draft in self.drafts if draft.deal.kind not in _BOOKKEEPING}
        if not traded:
            return
        stops = stops_of(self.account.pk)
        for instrument_id in sorted(traded):
            stops.check(instrument_id=instrument_id, credential=self.credential, market=True)

    def _valued(self, *, needed: bool) -> Valuation | None:
        """The value of all positions. Closing one does not wait for a rate of another: then there is none."""
        try:
            return self.value()
        except Refusal:
            if needed:
                raise
            return None

    def _standing(
        self,
        valued: Valuation,
        client: OpenAccount | LedgerAccount,
        credit: OpenAccount | LedgerAccount,
        *,
        still_to_move: bool = False,
    ) -> Standing:
        """How the account stands with the money of the drafted deals, which may be still to move."""
        pending = sum((_money(draft.deal) for draft in self.drafts), _ZERO) if still_to_move else _ZERO
        return Standing(
            balance=client.balance + pending,
            credit=credit.balance,
            unrealised=valued.unrealised,
            held=client.held,
            margin=valued.margin,
        )

    def _check_margin(self, standing: Standing) -> None:
        # Commission is paid from the client's own money, which credit is not.
        if standing.free < 0 or standing.balance < standing.held:
            raise Refusal(
                Code.INSUFFICIENT_MARGIN,
                f"Positions would need {short_text(standing.margin)} {self.currency.code}, "
                f"of which {short_text(-min(standing.free, standing.balance - standing.held))} is missing.",
                asset=self.currency.code,
                required=short_text(standing.margin),
                equity=short_text(standing.equity),
                held=short_text(standing.held),
                free=short_text(standing.free),
            )

    def _draft(
        self,
        position: Position,
        kind: DealKind,
        volume: Decimal,
        price: Decimal,
        *,
        cost: Decimal,
        profit: Decimal = _ZERO,
        rate: Rate | None = None,
        pnl: Decimal = _ZERO,
    ) -> Deal:
        opening = kind == DealKind.OPEN
        commission = _ZERO if kind == DealKind.RESET else self._commission(position, volume, price)
        position.volume += volume if opening else -volume
        position.cost += cost
        position.pnl += pnl
        position.commission += commission
        if not position.volume:
            position.closed_at = self.now
        self._changed.add(position.pk)
        deal = Deal(
            at=self.now,
            account=self.account,
            position=position,
            instrument_id=position.instrument_id,
            kind=kind,
            buys=(position.direction == Direction.LONG) == opening,
            volume=volume,
            contract_size=position.contract_size,
            price=price,
            cost=cost,
            profit=profit,
            rate=None if rate is None else rate.value,
            pnl=pnl,
            commission=commission,
        )
        self.drafts.append(Drafted(deal))
        return deal

    def _commission(self, position: Position, volume: Decimal, price: Decimal) -> Decimal:
        """By contract and by share of the notional, at least the minimum; in the account's currency."""
        terms = self.terms[position.instrument_id]
        notional = product(product(volume, price), position.contract_size)
        stated = terms.group.commission_asset
        amount = self._owed(terms.share_commission(notional), terms.quote_code)
        if stated is not None:
            fixed = self._owed(terms.fixed_commission(volume), stated.code)
            amount = max(amount + fixed, self._owed(terms.least_commission, stated.code))
        return round_half_even(amount, self.currency.decimals)

    def _owed(self, amount: Decimal, asset: str) -> Decimal:
        """What an amount that the client owes costs in the account's currency, before it is rounded."""
        if not amount:
            return _ZERO
        rate = self.rates.rate(asset, self.currency.code, purpose=Purpose.DEALING, buy=True)
        return product(amount, rate.value)

    def _write(self, cause: Cause, transfers: list[int]) -> list[Deal]:
        # What closes gives its place to what opens: in netting mode there is one.
        if changed := [self.positions[number] for number in sorted(self._changed - self._new)]:
            Position.objects.bulk_update(changed, _MOVING)
        Position.objects.bulk_create([self.positions[number] for number in sorted(self._new)])
        deals = [draft.deal for draft in self.drafts]
        for number, draft in zip(next_ids("accounts_deal_id_seq", len(deals)), self.drafts, strict=True):
            deal = draft.deal
            deal.id = number
            deal.entry_id = None if draft.entry is None else transfers[draft.entry]
            deal.request_id, deal.reason, deal.actor_id = cause.request_id, cause.reason, cause.actor_id
        Deal.objects.bulk_create(deals)
        self.drafts, self._new, self._changed = [], set(), set()
        return deals


_MOVING = (
    "volume", "cost", "pnl", "swap", "commission", "stop_loss", "take_profit", "exits_at", "closed_at",
)  # fmt: skip


def _money(deal: Deal) -> Decimal:
    """What a deal changes the client's balance by, before anybody covers a loss."""
    change: Decimal = deal.pnl + deal.swap - deal.commission
    return change
