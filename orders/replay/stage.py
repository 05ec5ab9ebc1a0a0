"""Where a recording is replayed: an instrument with steps fine enough, and accounts rich enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zlib import crc32

from django.db import transaction

from accounts.models import TradingAccount
from accounts.services.opening import Opening, machine_user, open_accounts, open_users, play_account_type
from audit.actor import Actor
from instruments.models import Asset, Instrument, InstrumentKind, Realm
from instruments.selectors import Rules, rules_by_symbol
from instruments.services.seeding import DECIMALS, create_missing_assets, create_missing_instruments
from orders.models import Side
from orders.replay.formats import Format
from orders.services.book_refs import books_for
from orders.services.seeding import open_missing_books
from tradeplatform.common.db import run_alone
from tradeplatform.common.errors import Code, Refusal

_USER = "replay"
_ACCOUNTS_A_SIDE = 4
_QUOTE_FUNDS = Decimal(10) ** 12
_BASE_FUNDS = Decimal(10) ** 9

# A cent for one satoshi is 10**-10 of a dollar: finer than USD is kept, so replays have their own dollar.
_QUOTE, _QUOTE_NAME, _QUOTE_DECIMALS = "USDX", "US dollar of replays, ten digits", 10
# The band is measured from the last trade; this is the widest there is: from nearly 0 to nearly double.
_WIDEST_BAND = Decimal("0.999999")
_MAX_OPEN_ORDERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """An instrument, its shard, and the accounts of each side."""

    rules: Rules
    shard_id: int
    accounts: dict[Side, list[int]]

    def account_of(self, side: Side, recorded_id: str) -> int:
        """The owner of a recorded order, the same in every run; nobody owns orders of both sides."""
        owners = self.accounts[side]
        return owners[crc32(recorded_id.encode()) % len(owners)]

    @property
    def account_ids(self) -> list[int]:
        """All of them."""
        return [account for accounts in self.accounts.values() for account in accounts]


def create_instrument(*, symbol: str, recording: Format, base: str | None = None) -> bool:
    """Create the instrument if there is none of this symbol; says whether it did. Raises ValidationError.

    Its steps are those of the recording, its limits as wide as they can be, its money play money.
    """
    base_code = (base or recording.base).upper()
    with transaction.atomic():
        run_alone("seed")
        create_missing_assets(
            [
                Asset(code=base_code, name=base_code, decimals=DECIMALS),
                Asset(code=_QUOTE, name=_QUOTE_NAME, decimals=_QUOTE_DECIMALS),
            ]
        )
        assets = {asset.code: asset for asset in Asset.objects.filter(code__in=[base_code, _QUOTE])}
        created = create_missing_instruments(
            [
                Instrument(
                    symbol=symbol,
                    display_name=f"{base_code} replay",
                    kind=InstrumentKind(recording.kind),
                    realm=Realm.DEMO,
                    base=assets[base_code],
                    quote=assets[_QUOTE],
                    tick_size=recording.tick_size,
                    lot_size=recording.lot_size,
                    min_quantity=recording.lot_size,
                    max_quantity=_BASE_FUNDS,
                    price_band=_WIDEST_BAND,
                    max_open_orders=_MAX_OPEN_ORDERS,
                )
            ]
        )
        open_missing_books()
    return bool(created)


def set_stage(*, symbol: str, actor: Actor, now: datetime) -> Stage:
    """Open the replay accounts of an instrument with their funds, where they are missing.

    Raises Refusal unknown_symbol, and in production wrong_realm for a live instrument.
    """
    with transaction.atomic():
        run_alone("seed")
        rules = rules_by_symbol([symbol]).get(symbol)
        if rules is None:
            raise Refusal(
                Code.UNKNOWN_SYMBOL, "No such instrument: see --create-instrument.", symbol=symbol[:32]
            )
        openings = _openings(rules)
        open_users([machine_user(_USER)])
        open_accounts(openings, actor=actor, now=now, reason=f"Funds for replays of {symbol}")
        ids = dict(
            TradingAccount.objects.filter(
                account_number__in=[opening.account_number for opening in openings]
            ).values_list("account_number", "id")
        )
        shard_id = books_for([rules])[rules.id].shard_id
    numbers = [opening.account_number for opening in openings]
    return Stage(
        rules,
        shard_id,
        {
            Side.BUY: [ids[number] for number in numbers[:_ACCOUNTS_A_SIDE]],
            Side.SELL: [ids[number] for number in numbers[_ACCOUNTS_A_SIDE:]],
        },
    )


def _openings(rules: Rules) -> list[Opening]:
    funds = {Side.BUY: (rules.quote_code, _QUOTE_FUNDS), Side.SELL: (rules.base_code, _BASE_FUNDS)}
    return [
        Opening(
            account_number=f"REPLAY-{rules.symbol}-{side.name[0]}{number}",
            username=_USER,
            type=play_account_type(rules.realm),
            currency=rules.quote_code,
            leverage=1,
            max_leverage=1,
            deposits=(funds[side],),
        )
        for side in Side
        for number in range(1, _ACCOUNTS_A_SIDE + 1)
    ]
