"""The participants: who they are, how they trade, and the accounts they trade from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import TradingAccount
from accounts.services.opening import (
    Opening,
    machine_user,
    open_accounts,
    open_users,
    opening_amounts,
    play_account_type,
)
from audit.actor import Actor
from instruments.models import Realm
from instruments.scaling import round_down
from instruments.selectors import Rules, rules_by_symbol
from liquidity.participants.careful import Guarded, Whale
from liquidity.participants.maker import Maker
from liquidity.participants.patient import Patient
from liquidity.participants.takers import MomentumTaker, NoiseTaker
from liquidity.participants.wishes import Habit
from orders.services.book_refs import books_for
from tradeplatform.common.db import run_alone
from tradeplatform.common.errors import Code, Refusal

# What a participant starts with, as worth in the quote asset: enough to trade for months, and no more
# than a large client would have.
_QUOTE_FUNDS = Decimal(20_000_000)
_BASE_WORTH = Decimal(20_000_000)


@dataclass(frozen=True, slots=True)
class Character:
    """A name, a habit, and how often it is its turn among the others."""

    username: str
    habit: Habit
    weight: int


@dataclass(frozen=True, slots=True)
class Participant:
    """A character with its account in one realm; inventory is counted from what that was opened with."""

    character: Character
    realm: str
    account_id: int
    opening: dict[str, Decimal]  # by asset code


@dataclass(frozen=True, slots=True)
class Desk:
    """Everybody who trades, and where."""

    participants: Sequence[Participant]
    rules: dict[str, Rules]
    shard_ids: Sequence[int]


def characters() -> list[Character]:
    """A fresh set of participants, each with its own memory."""
    return [
        Character("sim-maker-1", Maker(levels=5, half_spread=3, step=2, budget=Decimal(2_000)), 40),
        Character("sim-maker-2", Maker(levels=6, half_spread=10, step=8, budget=Decimal(8_000)), 20),
        Character("sim-taker-1", NoiseTaker(budget=Decimal(300)), 18),
        Character("sim-taker-2", MomentumTaker(budget=Decimal(1_000)), 8),
        Character("sim-patient-1", Patient(budget=Decimal(500)), 14),
        Character("sim-whale-1", Whale(budget=Decimal(5_000)), 6),
        Character("sim-guarded-1", Guarded(budget=Decimal(400)), 6),
    ]


def open_desk(*, symbols: Sequence[str], actor: Actor, now: datetime) -> Desk:
    """Open the participants' accounts with funds for these instruments, where they are missing.

    Each has one account for live and one for demo instruments. Raises Refusal unknown_symbol, and
    no_reference_price for an instrument that nothing is known of; in production wrong_realm for a live one.
    """
    with transaction.atomic():
        run_alone("seed")
        rules = rules_by_symbol(symbols)
        for symbol in symbols:
            _check(symbol, rules)
        wanted = {symbol: rules[symbol] for symbol in symbols}
        participants = [
            participant
            for realm in Realm
            if (markets := [found for found in wanted.values() if found.realm == realm])
            for participant in _seated(realm, markets, actor=actor, now=now)
        ]
        books = books_for(wanted.values())
    return Desk(participants, wanted, sorted({book.shard_id for book in books.values()}))


def _seated(realm: Realm, markets: Sequence[Rules], *, actor: Actor, now: datetime) -> list[Participant]:
    """Everybody, with an account for the markets of this realm."""
    cast, funds, kind = characters(), _funds(markets), play_account_type(realm)
    numbers = [_number(character, realm) for character in cast]
    open_users([machine_user(character.username) for character in cast])
    open_accounts(
        [
            Opening(
                account_number=number,
                username=character.username,
                type=kind,
                currency=markets[0].quote_code,
                leverage=1,
                max_leverage=1,
                deposits=tuple(sorted(funds.items())),
            )
            for number, character in zip(numbers, cast, strict=True)
        ],
        actor=actor,
        now=now,
        reason="Funds of a simulated participant",
    )
    ids = dict(TradingAccount.objects.filter(account_number__in=numbers).values_list("account_number", "id"))
    opened = opening_amounts(numbers, list(funds))
    return [
        Participant(
            character,
            realm.value,
            ids[number],
            {asset: opened.get((number, asset), Decimal(0)) for asset in funds},
        )
        for character, number in zip(cast, numbers, strict=True)
    ]


def _number(character: Character, realm: Realm) -> str:
    return character.username.upper() + ("-DEMO" if realm == Realm.DEMO else "")


def _funds(markets: Iterable[Rules]) -> dict[str, Decimal]:
    """What to start with of each asset, by its code."""
    funds: dict[str, Decimal] = {}
    for rules in markets:
        coins = round_down(_BASE_WORTH / rules.reference_price, 0) + 1
        funds[rules.base_code] = max(coins, funds.get(rules.base_code, Decimal(0)))
        funds[rules.quote_code] = max(_QUOTE_FUNDS, funds.get(rules.quote_code, Decimal(0)))
    return funds


def _check(symbol: str, rules: dict[str, Rules]) -> None:
    if symbol not in rules:
        raise Refusal(Code.UNKNOWN_SYMBOL, f"No such instrument: {symbol[:32]}.", symbol=symbol[:32])
    if not rules[symbol].reference_price:
        raise Refusal(
            Code.NO_REFERENCE_PRICE, f"{symbol} has no reference price to quote around.", symbol=symbol
        )
