"""A seeded flow of commands for a few books: readable numbers, no hash order, the same everywhere.

Of 100 steps about 60 bring new orders (half of them plain; stops, trails, icebergs, hidden, minimum, amount,
reduce-only and expiring orders, pairs and brackets), 38 amend or cancel recent orders, and now and then there
is an auction, a halt or a mass cancel; over prices near a slowly moving middle; twenty accounts, some in
groups. A book that leaves the phase OPEN comes back within fifty commands.
"""

from __future__ import annotations

import hashlib
import json
from random import Random
from typing import Any

from tradeengine import Engine
from tradeengine.codec import (
    NO_TERMS,
    CommandFlag,
    CommandKind,
    Link,
    OrderType,
    Phase,
    Reason,
    Side,
    StpMode,
    Terms,
    TermsFlag,
    TimeInForce,
    TriggerKind,
    TriggerSource,
    encode_command,
)

BOOKS = (1, 2, 77)

SIDES = (Side.BUY, Side.SELL)


def engine() -> Engine:
    """An engine with the workload's books."""
    engine = Engine()
    for book in BOOKS:
        engine.add_book(book)
    return engine


def commands(count: int, *, seed: int, first: int = 1) -> list[bytes]:
    """Records with command ids from `first` on; a new order has its command's id."""
    flow = Flow(seed, first)
    while len(flow.records) < count:
        flow.step()
    return flow.records[:count]


class Flow:
    """The commands so far, and where the market is."""

    def __init__(self, seed: int, first: int) -> None:
        self.random = Random(seed)
        self.first = first
        self.middle = 1_000
        self.records: list[bytes] = []
        self.reopened_at: dict[int, int] = {}
        self.entered: dict[int, list[int]] = {}
        self.book = BOOKS[0]

    @property
    def number(self) -> int:
        """Of the next command."""
        return self.first + len(self.records)

    def step(self) -> None:
        """One command, or a few that belong together, for one of the books."""
        choose = self.random.choices
        self.middle += self.random.choice((-1, 0, 0, 1))
        self.book = self.random.choice(BOOKS)
        if self.reopened_at.get(self.book, self.number + 1) <= self.number:
            del self.reopened_at[self.book]
            self.send(CommandKind.PHASE, phase=Phase.OPEN)
        kinds = (self.plain, self.special, self.pair, self.bracket, self.amend, self.cancel, self.rare)
        choose(kinds, (30, 24, 3, 3, 20, 18, 2))[0]()

    def send(self, kind: CommandKind, **fields: Any) -> None:
        number = self.number
        record = encode_command(
            kind=kind, instrument=self.book, command_id=number, time=1_000 * number, **fields
        )
        self.records.append(record)

    def price(self) -> int:
        return self.middle + self.random.randint(-12, 12)

    def new(self, **fields: Any) -> None:
        """A limit order that rests, unless `fields` says otherwise."""
        random = self.random
        plain: dict[str, Any] = {
            "order_id": self.number,
            "account": random.randint(1, 20),
            "stp_group": random.choice((0, 0, 0, 1, 2)),
            "side": random.choice(SIDES),
            "order_type": OrderType.LIMIT,
            "tif": random.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY)),
            "stp": random.choice(tuple(StpMode)),
            "price": self.price(),
            "quantity": random.randint(1, 50),
        }
        self.entered.setdefault(self.book, []).append(self.number)
        self.send(CommandKind.NEW, **(plain | fields))

    def plain(self) -> None:
        random = self.random
        shape = random.random()
        if shape < 0.1:
            self.new(order_type=OrderType.MARKET, tif=TimeInForce.IOC, price=random.choice((0, self.price())))
        elif shape < 0.4:
            self.new(tif=random.choice((TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK)))
        else:
            self.new(flags=CommandFlag.POST_ONLY if random.random() < 0.1 else 0)

    def special(self) -> None:
        random = self.random
        terms = random.choice((self.stop, self.stop, self.trail, self.display, self.display))()
        shape = random.random()
        if shape < 0.5:
            self.new(terms=terms)
        elif shape < 0.6:
            self.new(terms=Terms(expires=1_000 * (self.number + random.randint(1, 100))))
        elif shape < 0.7:
            self.new(terms=Terms(min_quantity=1))
        elif shape < 0.8:
            stop = self.stop()._replace(expires=1_000 * (self.number + 200))
            self.new(order_type=OrderType.MARKET, tif=TimeInForce.IOC, price=0, terms=stop)
        elif shape < 0.9:
            limited = Terms(position_limit=random.randint(0, 30))
            self.new(flags=CommandFlag.REDUCE_ONLY, terms=limited)
        else:
            budget = Terms(budget=random.randint(1, 40_000))
            self.new(order_type=OrderType.MARKET, tif=TimeInForce.IOC, price=0, quantity=0, terms=budget)

    def stop(self) -> Terms:
        return Terms(
            trigger=self.random.choice((TriggerKind.STOP, TriggerKind.TAKE_PROFIT)),
            source=self.random.choice(tuple(TriggerSource)),
            trigger_price=self.price(),
        )

    def trail(self) -> Terms:
        in_ticks = self.random.random() < 0.5
        return Terms(
            trigger=TriggerKind.TRAILING if in_ticks else TriggerKind.TRAILING_BPS,
            trigger_price=self.price(),
            distance=self.random.randint(1, 10) if in_ticks else self.random.randint(10, 100),
            step=self.random.randint(1, 3),
        )

    def display(self) -> Terms:
        return Terms(flags=TermsFlag.HAS_DISPLAY, display=self.random.choice((0, 1, 3, 7)))

    def pair(self) -> None:
        """Two orders of one owner that name each other."""
        number, account = self.number, self.random.randint(1, 20)
        self.new(account=account, terms=Terms(link=Link.OCO, partner=number + 1))
        self.new(account=account, terms=self.stop()._replace(link=Link.OCO, partner=number))

    def bracket(self) -> None:
        """Two exits, and their entry; or a child that waits for another order to be filled."""
        number, account = self.number, self.random.randint(1, 20)
        side, out = self.random.choice((SIDES, SIDES[::-1]))
        if self.random.random() < 0.5:
            self.new(account=account, terms=Terms(link=Link.OTO, parent=number + 1))
        else:
            for trigger, partner in ((TriggerKind.TAKE_PROFIT, number + 1), (TriggerKind.STOP, number)):
                links = {"link": Link.ATTACHED, "parent": number + 2, "partner": partner}
                exits = Terms(trigger=trigger, trigger_price=self.price(), **links)
                self.new(account=account, side=out, terms=exits)
        self.new(account=account, side=side, terms=self.random.choice((NO_TERMS, self.display())))

    def recent(self) -> int:
        """An order of this book, or now and then of anyone or nobody."""
        mine = self.entered.get(self.book, [])[-30:]
        return self.random.choice([*mine, self.random.randint(max(1, self.number - 150), self.number)])

    def amend(self) -> None:
        self.send(
            CommandKind.AMEND,
            order_id=self.recent(),
            price=self.random.choice((0, self.price())),
            quantity=self.random.choice((0, 20, 60)),
            stp_group=self.random.choice((0, 0, self.price())),
        )

    def cancel(self) -> None:
        self.send(CommandKind.CANCEL, order_id=self.recent())

    def rare(self) -> None:
        random = self.random
        if random.random() < 0.3:
            self.send(CommandKind.MASS_CANCEL, account=random.randint(1, 20), side=random.choice((0, *SIDES)))
        elif random.random() < 0.3:
            self.send(CommandKind.TIME)
        elif self.book not in self.reopened_at:
            empties = random.random() < 0.1
            self.send(
                CommandKind.PHASE,
                phase=random.choice(list(Phase)),
                reason=random.choice((Reason.NONE, Reason.OPERATOR)),
                flags=CommandFlag.CANCEL_RESTING if empties else 0,
            )
            self.reopened_at[self.book] = self.number + random.randint(10, 50)


def fingerprint(count: int, *, seed: int) -> None:
    """Print a digest of all events and the final states; run in another process by a test."""
    running = engine()
    events = running.apply(b"".join(commands(count, seed=seed)))
    states = [running.state_hash(book) for book in BOOKS]
    print(json.dumps({"events": hashlib.sha256(events).hexdigest(), "states": states}))  # noqa: T201
