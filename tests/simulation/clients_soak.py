"""Strangers' clients keep a book under load while a worker is killed every minute: a part of `make soak`.

ccxt's watch_order_book, python-binance's DepthCacheManager and python-kraken-sdk's verifier, unmodified, on a
platform of their own. What is printed is what they said; the exit code is the verdict: no ChecksumError, no
invalid checksum, and at the end the book that REST has. Resyncs are allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.running import Platform, start_platform, stop_platform

if TYPE_CHECKING:
    from tests.clients.keepers import CacheKeeper, CcxtKeeper, Verifier
    from tests.live.desk import Desk, Trader

_BETWEEN_KILLS = 60.0
_VICTIMS = ("shard-", "worker", "sockets", "shard-", "valkey")
_SETTLE_SECONDS = 60.0
# An access token lives for five minutes: then others trade.
_SHIFT_SECONDS = 200.0


def main() -> int:
    """Run the soak; 0 when nobody complained and every book was right."""
    parser = argparse.ArgumentParser(
        prog="clients_soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with _platform() as platform:
        from tests.clients.keepers import point_kraken, point_python_binance  # noqa: PLC0415 - needs settings
        from tests.factories import make_asset  # noqa: PLC0415
        from tests.live.desk import Desk  # noqa: PLC0415

        point_python_binance(platform, setattr)
        point_kraken(platform, setattr)
        base, quote = make_asset(decimals=8), make_asset(decimals=8)
        with Desk(platform, base=base, quote=quote, symbol=f"{base.code}{quote.code}") as desk:
            traders = [desk.trader() for _ in range(3)]
            return asyncio.run(_run(platform, desk, traders, options))


async def _run(platform: Platform, desk: Desk, traders: list[Trader], options: argparse.Namespace) -> int:
    """The clients are made where they run: on the loop."""
    return await _Soak(platform, desk, traders, options.seed).run(options.minutes * 60)


@contextmanager
def _platform() -> Iterator[Platform]:
    """A platform without participants, and Django set up on its database."""
    with tempfile.TemporaryDirectory(prefix="tradeplatform-soak-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        os.environ |= {"TRADEPLATFORM_ENVIRONMENT": "test", "TRADEPLATFORM_VAR_DIR": made}
        os.environ |= {"DJANGO_SETTINGS_MODULE": "tradeplatform.settings", "TRADEPLATFORM_LOG_LEVEL": "ERROR"}
        process, platform = start_platform(folder)
        try:
            os.environ.update(platform.environment)
            import django  # noqa: PLC0415 - settings are read on import, so the environment comes first

            django.setup()
            from django.db import connections  # noqa: PLC0415

            _say("platform ready")
            yield platform
            connections.close_all()
        finally:
            stop_platform(process)


class _Soak:
    """Three clients and three traders."""

    def __init__(self, platform: Platform, desk: Desk, traders: list[Trader], seed: int) -> None:
        from tests.clients.keepers import CacheKeeper, CcxtKeeper, Verifier  # noqa: PLC0415

        self._platform, self._desk, self._chance = platform, desk, random.Random(seed)
        self._traders = traders
        self._pair = f"{desk.instrument.base.code}/{desk.instrument.quote.code}"
        self._ccxt: CcxtKeeper = CcxtKeeper(platform, self._pair)
        self._cache: CacheKeeper = CacheKeeper(desk.symbol)
        self._verifier: Verifier = Verifier(100)
        self._kills: dict[str, int] = {}
        self._acts = self._refused = 0

    async def run(self, seconds: float) -> int:
        """Trade and kill, then compare."""
        keeping = [asyncio.create_task(keeper.run()) for keeper in (self._ccxt, self._cache)]
        await self._verifier.start()
        await self._verifier.add_book(pairs=[self._pair])
        try:
            async with asyncio.timeout(seconds):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._trade())
                    tasks.create_task(self._kill())
                    tasks.create_task(self._change_shifts())
        except TimeoutError:
            _say("time is up")
        left = await self._settle()
        broken = [task for task in keeping if task.done()]
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await self._verifier.close()
        return self._report(left, broken=len(broken))

    async def _trade(self) -> None:
        from tests.clients.trading import act  # noqa: PLC0415

        while True:
            try:
                await asyncio.to_thread(act, self._chance.choice(self._traders), self._chance)
                self._acts += 1
            except Exception as error:  # noqa: BLE001 - a killed process answers nobody for a while
                self._refused += 1
                _say(f"a trader heard: {type(error).__name__}")
                await asyncio.sleep(1)

    async def _change_shifts(self) -> None:
        while True:
            await asyncio.sleep(_SHIFT_SECONDS)
            self._traders = await asyncio.to_thread(self._shift)

    def _shift(self) -> list[Trader]:
        return [self._desk.trader() for _ in self._traders]

    async def _kill(self) -> None:
        from tests.clients.trading import process_of  # noqa: PLC0415

        number = 0
        while True:
            await asyncio.sleep(_BETWEEN_KILLS)
            victim = _VICTIMS[number % len(_VICTIMS)]
            number += 1
            process_of(self._platform, victim).send_signal(signal.SIGKILL)
            self._kills[victim] = self._kills.get(victim, 0) + 1
            _say(f"{victim} killed; {self._figures()}")

    async def _settle(self) -> dict[str, int]:
        """Let them catch up with a market at rest; how many levels each has not as REST has them."""
        from tests.clients.trading import act  # noqa: PLC0415

        deadline = time.monotonic() + _SETTLE_SECONDS
        # A client may notice a loss by the next event only.
        (trader, *_others) = await asyncio.to_thread(self._shift)
        await asyncio.to_thread(act, trader, self._chance)
        while True:
            left = await asyncio.to_thread(self._left)
            if not any(left.values()) or time.monotonic() > deadline:
                return left
            await asyncio.sleep(1)

    def _left(self) -> dict[str, int]:
        from tests.clients.watching import differences, rest_book  # noqa: PLC0415

        bids, asks = rest_book(self._desk)
        best = (bids[: self._verifier.depth], asks[: self._verifier.depth])
        return {
            "ccxt": differences((bids, asks), self._ccxt.levels()),
            "python-binance": differences((bids, asks), self._cache.levels()),
            "python-kraken-sdk": differences(best, self._verifier.levels(self._pair)),
        }

    def _figures(self) -> str:
        return (
            f"acts {self._acts}, updates {self._ccxt.updates}/{self._cache.updates}/{self._verifier.updates},"
            f" ChecksumErrors {self._ccxt.checksum_errors}, invalid {self._verifier.verdicts.count(False)}"
        )

    def _report(self, left: dict[str, int], *, broken: int) -> int:
        invalid = self._verifier.verdicts.count(False)
        _say(f"acts of traders: {self._acts}, failed: {self._refused}; kills: {self._kills}")
        _say(f"ccxt: {self._ccxt.updates} updates, {self._ccxt.resyncs} resyncs")
        _say(f"python-binance: {self._cache.updates} updates, {self._cache.resyncs} resyncs")
        _say(f"python-kraken-sdk: {self._verifier.updates} updates")
        _say(f"ChecksumErrors: {self._ccxt.checksum_errors}")
        _say(f"invalid checksums: {invalid}")
        _say(f"final differences: {left}")
        wrong = self._ccxt.checksum_errors + invalid + sum(left.values()) + broken
        return 0 if wrong == 0 and self._acts else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
