"""The accounts and instruments of a load: made through the services, on a platform whose database we see."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from accounts.models import RateTier, Role, Scope, TradingAccount, User, UserRole
from accounts.services.funding import deposit
from accounts.services.key_issuing import KeyWish, create_key
from audit.actor import Actor
from instruments.models import Asset, Instrument, InstrumentKind
from instruments.selectors import rules_by_symbol
from orders.models import Book, Shard
from orders.services.book_refs import books_for
from tests.load.actions import Holder, Ticker, World

ACTOR = Actor.system("load")
_MID, _TICK, _LOT = Decimal(50_000), Decimal("0.01"), Decimal("0.00001")
_MONEY = Decimal(10_000_000_000)
#: The books on each shard, as shares of the traffic: as much on the one as on the other.
_BOOKS = ((1, 0.25), (1, 0.25), (2, 0.5))
_ACCOUNTS_EACH = 5


@transaction.atomic
def make_world(
    *, accounts: int = 200, own_quotes: bool = False, keys: bool = False, shard: int | None = None
) -> World:
    """Fresh instruments, persons with five accounts each, and money enough for hours.

    The instruments are quoted in one asset, as an exchange's are, so that their trades meet in the same
    ledger accounts; with `own_quotes` each has its own. With `keys` each account has one that may do all.
    `shard` puts all books on one that no worker has.
    """
    tag = uuid.uuid4().hex[:6].upper()
    books = _BOOKS if shard is None else tuple((shard, weight) for _, weight in _BOOKS)
    shards = {number: Shard.objects.get_or_create(id=number)[0] for number, _ in books}
    quotes = [_asset(f"Q{tag}{number}") for number in range(len(books) if own_quotes else 1)]
    assets, tickers = list(quotes), []
    for number, (shard_id, weight) in enumerate(books):
        base, quote = _asset(f"B{tag}{number}"), quotes[number % len(quotes)]
        assets.append(base)
        tickers.append(_instrument(f"L{tag}{number}", base, quote, weight))
        books_for(rules_by_symbol([tickers[-1].symbol]).values())
        Book.objects.filter(instrument__symbol=tickers[-1].symbol).update(shard=shards[shard_id])
    holders: list[Holder] = []
    while len(holders) < accounts:
        own = min(_ACCOUNTS_EACH, accounts - len(holders))
        holders += _person(f"{tag}-{len(holders)}", own, assets, keys=keys)
    return World(tag, tuple(tickers), tuple(holders))


def _asset(code: str) -> Asset:
    return Asset.objects.create(code=code, name=code, decimals=8)


def _instrument(symbol: str, base: Asset, quote: Asset, weight: float) -> Ticker:
    Instrument.objects.create(
        symbol=symbol,
        display_name=symbol,
        kind=InstrumentKind.CRYPTO,
        base=base,
        quote=quote,
        tick_size=_TICK,
        lot_size=_LOT,
        min_quantity=_LOT,
        max_quantity=Decimal(1_000),
        reference_price=_MID,
        max_open_orders=10_000_000,
    )
    return Ticker(symbol, _MID, _TICK, _LOT, quote.code, weight)


def _person(name: str, accounts: int, assets: list[Asset], *, keys: bool) -> list[Holder]:
    many = {"calls_1m": 2_000_000_000, "orders_10s": 2_000_000_000, "orders_1d": 2_000_000_000}
    tier, _made = RateTier.objects.get_or_create(name="load", defaults=many)
    user = User.objects.create(username=f"load-{name}", email=f"load-{name}@example.com", rate_tier=tier)
    UserRole.objects.create(user=user, role=Role.TRADER)
    owned = []
    for number in range(accounts):
        account = TradingAccount.objects.create(
            account_number=f"LOAD-{name}-{number}", user=user, currency=assets[0]
        )
        for asset in assets:
            deposit(
                account_id=account.pk,
                asset=asset.code,
                amount=_MONEY,
                reason="load",
                request_id=uuid.uuid4().hex,
                actor=ACTOR,
                now=timezone.now(),
            )
        owned.append(Holder(account.pk, user.pk, *(_key(account) if keys else ())))
    return owned


def _key(account: TradingAccount) -> tuple[str, str]:
    """A new key of the account, and its secret."""
    wish = KeyWish(
        account_id=account.pk,
        label="load",
        scopes=frozenset({Scope.READ, Scope.TRADE, Scope.WITHDRAW}),
        allowed_ips=("127.0.0.1",),
    )
    owner = Actor.user(user_id=account.user_id, label=account.user.username)
    issued = create_key(wish, actor=owner, now=timezone.now())
    return issued.key.key_id, issued.secret
