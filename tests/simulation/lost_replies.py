"""A client whose connection is cut after its request was sent sends it again at once, by another process.

    python -m tests.simulation.lost_replies [--rounds 300] [--seed 1]

Two web processes stand before one database. In each round an order is sent to one of them; its reply is given
up before it is read, and the same order under the same client order id goes to the other while the first is
still at work. One order, one hold, and the same id in every answer. The exit code is the verdict.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.platform import throwaway_platform

if TYPE_CHECKING:
    from accounts.models import TradingAccount
    from tests.factories import Market
    from tests.simulation.doors import Web

_PATIENCE = 120.0
# A token lives for five minutes.
_ROUNDS_OF_A_TOKEN = 40


@dataclass(slots=True)
class Result:
    """What came of the rounds."""

    rounds: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether each request has come to one order, and all were told the same."""
        return self.rounds > 0 and not (self.lost or self.doubled or self.different)

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds ({dict(self.kinds)}), answers {dict(self.answers)}: lost {len(self.lost)},"
            f" doubled {len(self.doubled)}, otherwise answered {len(self.different)}"
        )


class Call:
    """One POST on a connection of its own, whose reply may be left alone."""

    def __init__(self, port: int, token: str, body: dict[str, Any]) -> None:
        said = json.dumps(body).encode()
        head = "\r\n".join(
            [
                "POST /api/v1/orders?wait=0 HTTP/1.1",
                f"Host: 127.0.0.1:{port}",
                f"Authorization: Bearer {token}",
                "Content-Type: application/json",
                f"Content-Length: {len(said)}",
                "Connection: close",
                "\r\n",
            ]
        )
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._socket.sendall(head.encode() + said)

    def cut(self) -> None:
        """At once, with a reset: nobody is there any more for the reply."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def cut_in_reply(self) -> None:
        """When its first byte has come."""
        self._socket.recv(1)
        self.cut()

    def reply(self) -> tuple[int, dict[str, Any]]:
        """Read it: (status, body)."""
        with self._socket:
            data = b"".join(iter(lambda: self._socket.recv(65_536), b""))
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)


def play(market: Market, doors: tuple[Web, Web], *, rounds: int, chance: random.Random) -> Result:
    """Rounds of orders of one trader, each sent by both doors at once."""
    from tests.factories import tokens_of  # noqa: PLC0415 - needs the settings

    result, trader = Result(), market.trader(base=1_000_000)
    token = ""
    for number in range(rounds):
        if number % _ROUNDS_OF_A_TOKEN == 0:
            token = tokens_of(trader.user).access
        name = f"lost-{number}"
        body = order_body(market, trader, chance) | {"client_order_id": name}
        first, second = chance.sample(doors, 2)
        kind = chance.choice(["cut at once", "cut at once", "cut in the reply", "both read"])
        result.kinds[kind] += 1
        told = _send_both(first, second, token, body, kind)
        told.append(Call(first.port, token, body).reply())
        result.answers.update(status for status, _ in told)
        _judge(result, trader, name, body, told)
        # Nobody else does, and a market that is behind takes no new orders.
        market.drain()
        result.rounds += 1
    _compare_holds(result, market, trader)
    return result


def order_body(market: Market, trader: TradingAccount, chance: random.Random) -> dict[str, Any]:
    """A small sell order far above everybody."""
    return {
        "account": trader.pk,
        "symbol": market.symbol,
        "side": "sell",
        "type": "limit",
        "quantity": f"0.{chance.randint(1, 99):04d}",
        "price": str(50_000 + chance.randint(1, 50)),
    }


def _send_both(
    first: Web, second: Web, token: str, body: dict[str, Any], kind: str
) -> list[tuple[int, dict[str, Any]]]:
    call = Call(first.port, token, body)
    if kind == "cut at once":
        call.cut()
    elif kind == "cut in the reply":
        call.cut_in_reply()
    again = Call(second.port, token, body)
    return [again.reply(), *([call.reply()] if kind == "both read" else [])]


def _judge(
    result: Result,
    trader: TradingAccount,
    name: str,
    body: dict[str, Any],
    told: list[tuple[int, dict[str, Any]]],
) -> None:
    from orders.models import Order  # noqa: PLC0415

    stored = list(Order.objects.filter(account=trader, client_order_id=name))
    if len(stored) > 1:
        result.doubled.append(f"{name}: {len(stored)} orders")
    if not stored:
        result.lost.append(f"{name}: {told}")
        return
    ids = {answer.get("id") for _, answer in told}
    placed = sum(status in {201, 202} for status, _ in told)  # 200: it was placed before
    if ids != {str(stored[0].pk)} or placed > 1 or stored[0].quantity != Decimal(body["quantity"]):
        result.different.append(f"{name}: {told}")


def _compare_holds(result: Result, market: Market, trader: TradingAccount) -> None:
    """What is held is what the orders need, each once."""
    from django.db.models import Sum  # noqa: PLC0415

    from accounts.models import LedgerAccount  # noqa: PLC0415
    from orders.models import Order  # noqa: PLC0415

    held = LedgerAccount.objects.get(account=trader, asset=market.instrument.base).held
    needed = Order.objects.filter(account=trader).aggregate(sum=Sum("quantity"))["sum"]
    if held != needed:
        result.different.append(f"{held} is held for orders of {needed}")


def main() -> int:
    """Play the rounds on servers of its own; 0 when nothing was lost, doubled or answered otherwise."""
    parser = argparse.ArgumentParser(
        prog="lost_replies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with throwaway_platform(), tempfile.TemporaryDirectory(prefix="tradeplatform-doors-") as folder:
        from tests.factories import make_market  # noqa: PLC0415 - needs the settings
        from tests.simulation.doors import Web, ending  # noqa: PLC0415
        from tradeplatform.common.invariants import check_all  # noqa: PLC0415

        doors, market = (Web(Path(folder)), Web(Path(folder))), make_market(max_open_orders=1_000_000)
        started = time.monotonic()
        with ending(*doors):
            result = play(market, doors, rounds=options.rounds, chance=random.Random(options.seed))
        market.drain()
        _say(f"seed {options.seed}: {result}")
        for line in [*result.lost, *result.doubled, *result.different][:8]:
            _say(line)
        broken = [finding.code for finding in check_all() if not finding.holds]
        _say(f"invariants: {'all hold' if not broken else 'BROKEN ' + ', '.join(broken)}")
        _say(f"{time.monotonic() - started:.0f} s")
    return 0 if result.holds and not broken else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
