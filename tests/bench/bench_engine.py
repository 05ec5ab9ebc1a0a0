"""How many messages a second the engine takes through Python: `python -m tests.bench.bench_engine`.

What Python and the size of a batch cost; how fast the engine is by itself, and next to others, is measured by
engine/bench, which is also asked for the time it takes natively for the same records in the largest batches.

The flow (seed 23, one book): 100,000 new limit orders, 15 in 100 immediate-or-cancel. A price lies 1 to 40
ticks off a middle that walks one tick at a time, nearer prices being likelier, and 3 ticks less, so that
some cross: about one trade for two orders. Of those that may rest, 95 in 100 are cancelled after up to 4,000
further orders and 20 in 100 amended before that (one tick nearer, one lot more); half of these come too late,
as the order has traded. Some 200,000 messages; at most 1,700 orders rest at a time. Records are built before
the clock starts, which counts processor time; each way starts from an empty book, and the ways take turns.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import thread_time

from tradeengine import Engine
from tradeengine.codec import (
    CommandKind,
    EventKind,
    OrderType,
    Side,
    TimeInForce,
    encode_command,
    iter_events,
)

ORDERS = 100_000
SEED = 23
ROUNDS = 5
BATCHES = (1, 10, 100, 1_000)
NATIVE = Path(__file__).resolve().parents[2] / "engine" / "bench"


def main() -> None:
    """Print messages a second for each batch size, and the ratios to one by one and to the engine itself."""
    records = messages()
    kinds = [event.kind for event in iter_events(fresh().apply(b"".join(records)))]
    trades = kinds.count(EventKind.TRADE)
    print(f"{len(records):,} messages, {len(kinds):,} events, {trades:,} trades; best of {ROUNDS}")
    batches = {size: cut(records, size) for size in BATCHES}
    best = dict.fromkeys(BATCHES, float("inf"))
    native = float("inf")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "records"
        file.write_bytes(b"".join(records))
        for _ in range(ROUNDS):
            for size in BATCHES:
                best[size] = min(best[size], seconds(batches[size]))
            native = min(native, native_seconds(file, BATCHES[-1]))
    for size in BATCHES:
        rate = len(records) / best[size]
        print(
            f"batches of {size:>5,}: {rate / 1e6:6.2f} M messages/s, {best[1] / best[size]:5.2f} x one by one"
        )
    rate, ratio = len(records) / native, native / best[BATCHES[-1]]
    print(f"the same natively: {rate / 1e6:6.2f} M messages/s; through Python {ratio:.2f} of that")


def messages() -> list[bytes]:
    """The flow as records, in order."""
    random = Random(SEED)
    middle = 10_000
    due: list[tuple[float, int, dict[str, int]]] = []
    for number in range(1, ORDERS + 1):
        middle += random.choice((-1, 0, 1))
        side = random.choice((Side.BUY, Side.SELL))
        sign = 1 if side == Side.BUY else -1
        price = middle - sign * (min(random.randint(1, 40), random.randint(1, 40)) - 3)
        quantity = random.randint(1, 100)
        immediate = random.random() < 0.15
        new = {
            "kind": CommandKind.NEW,
            "order_id": number,
            "account": random.randint(1, 1_000),
            "side": side,
            "order_type": OrderType.LIMIT,
            "tif": TimeInForce.IOC if immediate else TimeInForce.GTC,
            "price": price,
            "quantity": quantity,
        }
        due.append((number, 0, new))
        if immediate:
            continue
        lifetime = random.uniform(1, 4_000)
        if random.random() < 0.20:
            amend = {
                "kind": CommandKind.AMEND,
                "order_id": number,
                "price": price + sign,
                "quantity": quantity + 1,
            }
            due.append((number + random.uniform(0, lifetime), 1, amend))
        if random.random() < 0.95:
            due.append((number + lifetime, 2, {"kind": CommandKind.CANCEL, "order_id": number}))
    due.sort(key=lambda message: (message[0], message[1], message[2]["order_id"]))
    return [
        encode_command(instrument=1, command_id=place, time=place, **fields)  # type: ignore[arg-type]
        for place, (_, _, fields) in enumerate(due, start=1)
    ]


def cut(records: Sequence[bytes], size: int) -> list[bytes]:
    """The records joined into batches."""
    return [b"".join(records[start : start + size]) for start in range(0, len(records), size)]


def fresh() -> Engine:
    """An engine with an empty book."""
    engine = Engine()
    engine.add_book(1)
    return engine


def seconds(batches: Sequence[bytes]) -> float:
    """Time to apply all batches to an empty book."""
    engine = fresh()
    start = thread_time()
    for batch in batches:
        engine.apply(batch)
    return thread_time() - start


def native_seconds(file: Path, size: int) -> float:
    """Time the engine takes for the records without Python."""
    cargo = ["cargo", "run", "--release", "--locked", "--quiet", "--features", "peers", "--"]
    command = [*cargo, "--records", str(file), str(size)]
    done = subprocess.run(command, cwd=NATIVE, check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
