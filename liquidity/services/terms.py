"""On which terms an account deals: the group's exception beats the group, which beats the instrument."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from accounts.models import Direction, GroupInstrument, LeverageRegime, TradingAccount, TradingGroup
from instruments.models import Instrument, InstrumentKind, MarginTier, Quote
from instruments.scaling import product, short_text, steps, steps_above, steps_below, times
from instruments.services.converting import MAX_AGE, Purpose
from risk.services.leverage import leverage_cap
from risk.services.margin import margin_rate, tier_of
from risk.services.pretrade import check_number
from tradeplatform.common.errors import Code, Refusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Terms:
    """One instrument as one account may deal in it now."""

    instrument: Instrument
    group: TradingGroup
    exception: GroupInstrument
    tiers: tuple[tuple[Decimal, Decimal], ...]
    quote: Quote | None
    leverage: int

    @property
    def symbol(self) -> str:
        """Of the instrument."""
        return self.instrument.symbol

    @property
    def quote_code(self) -> str:
        """What prices and profits are in."""
        return self.instrument.quote.code

    def is_priced(self, *, now: datetime) -> bool:
        """Whether there is a quote young enough to deal at."""
        return self.quote is not None and self.quote.at >= now - MAX_AGE[Purpose.DEALING]

    def price(self, *, buys: bool, now: datetime) -> Decimal:
        """What the client buys or sells at now. Raises no_price where nobody quotes young enough."""
        if self.quote is None or not self.is_priced(now=now):
            raise Refusal(
                Code.NO_PRICE, f"{self.symbol} has no price young enough to deal at.", symbol=self.symbol
            )
        return self.marked_up(self.quote.ask if buys else self.quote.bid, buys=buys)

    def value_price(self, direction: Direction) -> Decimal | None:
        """What a position of this direction could be closed at by the last quote, however old it is."""
        if self.quote is None:
            return None
        buys = direction == Direction.SHORT
        return self.marked_up(self.quote.ask if buys else self.quote.bid, buys=buys)

    def marked_up(self, price: Decimal, *, buys: bool) -> Decimal:
        """The client's price: on a tick, away from the client by the markup, and never below a tick."""
        tick = self.instrument.tick_size
        markup = _first(self.exception.markup_steps, self.group.markup_steps)
        if buys:
            return times(steps_above(price, tick) + markup, tick)
        return times(max(1, steps_below(price, tick) - markup), tick)

    def check_enabled(self) -> None:
        """Refuse where the group may not open positions in the instrument."""
        if not self.exception.is_enabled:
            raise Refusal(
                Code.INSTRUMENT_NOT_ENABLED,
                f"This account opens no positions in {self.symbol}.",
                symbol=self.symbol,
            )

    def check_volume(self, volume: Decimal) -> None:
        """Refuse a volume that is not on the step or outside of the limits of an opening deal."""
        self.check_step(volume)
        least = _first(self.exception.min_volume, self.instrument.min_quantity)
        most = _first(self.exception.max_volume, self.instrument.max_quantity)
        context = {"volume": short_text(volume), "min": short_text(least), "max": short_text(most)}
        if volume < least:
            raise Refusal(Code.QUANTITY_TOO_SMALL, f"At least {short_text(least)} contracts.", **context)
        if volume > most:
            raise Refusal(Code.QUANTITY_TOO_LARGE, f"At most {short_text(most)} contracts.", **context)

    def check_step(self, volume: Decimal) -> None:
        """Refuse what is no volume, or one between two steps."""
        check_number("volume", volume)
        if steps(volume, self.instrument.lot_size) is None:
            step = short_text(self.instrument.lot_size)
            raise Refusal(
                Code.QUANTITY_NOT_ON_STEP,
                f"The volume must be a multiple of {step}.",
                volume=short_text(volume),
                step=step,
            )

    def check_exit(self, name: str, price: Decimal) -> None:
        """Refuse what is no price of the instrument."""
        check_number(name, price)
        if steps(price, self.instrument.tick_size) is None:
            raise Refusal(
                Code.PRICE_NOT_ON_TICK,
                f"{name.replace('_', ' ')} must be a multiple of {short_text(self.instrument.tick_size)}.",
                field=name,
                tick_size=short_text(self.instrument.tick_size),
            )

    def fixed_commission(self, volume: Decimal) -> Decimal:
        """Commission by contract, in the asset that the group states it in."""
        each = _first(self.exception.commission_per_contract, self.group.commission_per_contract)
        return product(volume, each)

    @property
    def least_commission(self) -> Decimal:
        """The least commission of a deal, in the asset that the group states it in."""
        least: Decimal = _first(self.exception.commission_minimum, self.group.commission_minimum)
        return least

    def share_commission(self, notional: Decimal) -> Decimal:
        """Commission by a share of the notional, in the quote asset."""
        rate = _first(self.exception.commission_rate, self.group.commission_rate)
        return product(notional, rate)

    def margin_rate(self, notional: Decimal) -> Decimal:
        """The share that is needed where so much notional of the quote asset is held, both sides together."""
        exception = self.exception.max_leverage
        others = [self.group.max_leverage, self.instrument.max_leverage] if exception is None else [exception]
        return margin_rate(
            leverages=[self.leverage, *others],
            cap=leverage_cap(
                LeverageRegime(self.group.leverage_regime),
                InstrumentKind(self.instrument.kind),
                self.instrument.base.code,
                self.quote_code,
            ),
            tier=tier_of(notional, self.tiers),
            fixed=self.exception.margin_rate,
        )


def load_terms(account: TradingAccount, instruments: Iterable[int]) -> dict[int, Terms]:
    """The terms of an account in these instruments, in three statements."""
    return terms_of([(account, set(instruments))])[account.pk]


def terms_of(wanted: Iterable[tuple[TradingAccount, set[int]]]) -> dict[int, dict[int, Terms]]:
    """The terms of several accounts, each in its instruments; as many statements as for one."""
    pairs = list(wanted)
    ids = set().union(*(numbers for _account, numbers in pairs))
    instruments = {
        row.pk: row
        for row in Instrument.objects.filter(id__in=ids)
        .select_related("base", "quote", "price")
        .order_by("id")
    }
    groups = {account.group_id for account, _numbers in pairs if account.group_id}
    exceptions = {
        (row.group_id, row.instrument_id): row
        for row in GroupInstrument.objects.filter(group_id__in=groups, instrument_id__in=ids)
    }
    tiers: dict[int, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for number, begin, rate in MarginTier.objects.filter(instrument_id__in=ids).values_list(
        "instrument_id", "from_notional", "rate"
    ):
        tiers[number].append((begin, rate))
    return {
        account.pk: {
            number: Terms(
                instrument=instruments[number],
                group=account.group or TradingGroup(),
                exception=exceptions.get((account.group_id or 0, number), GroupInstrument()),
                tiers=tuple(tiers[number]),
                quote=getattr(instruments[number], "price", None),
                leverage=account.leverage,
            )
            for number in numbers
            if number in instruments
        }
        for account, numbers in pairs
    }


def _first(exception: T | None, otherwise: T) -> T:
    """What the exception says, where it says something."""
    return otherwise if exception is None else exception
