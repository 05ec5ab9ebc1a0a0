"""What a client does, as plain values: they cross processes, and know no door and no database."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Ticker:
    """An instrument as its clients know it, and how much of the traffic is in it."""

    symbol: str
    mid: Decimal
    tick: Decimal
    lot: Decimal
    quote: str
    weight: float


@dataclass(frozen=True, slots=True)
class Holder:
    """A trading account, whose it is, and the key its owner calls with (empty at the service door)."""

    account_id: int
    user_id: int
    key: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """Three instruments, in two shards unless told otherwise, and the accounts that trade them."""

    tag: str
    tickers: tuple[Ticker, ...]
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A new order. `kind` is "limit" or "market"; `worst` is how far a market order may go."""

    holder: Holder
    symbol: str
    buy: bool
    kind: str
    ioc: bool
    price: Decimal | None
    worst: Decimal | None
    quantity: Decimal
    name: str
    rests: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take an own order off the book, by the name it was given."""

    holder: Holder
    name: str
    order_id: int


@dataclass(frozen=True, slots=True)
class Amend:
    """Another price or another quantity of an own order."""

    holder: Holder
    order_id: int
    price: Decimal | None
    quantity: Decimal | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money between two accounts of one person."""

    holder: Holder
    to: Holder
    asset: str
    amount: Decimal
    request_id: str


Action = Place | Cancel | Amend | Transfer
