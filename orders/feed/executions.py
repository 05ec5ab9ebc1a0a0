"""What happens to one account, read from the journal as often as the feed hears that something did."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable

from accounts.models import LedgerAccount
from orders import execution_selectors
from orders.execution_selectors import Happened, Since
from orders.feed.reading import in_thread
from orders.feed.retrying import until_read

# Of so many orders it is kept what was told of them, until all is looked at again.
_MOST_TOLD = 5_000


class ExecutionFeed(ABC):
    """Follows an account (orders/feed/account.py); what comes of it is `tell`ed, each thing once, in order.

    Frames only wake it. While it reads, what wakes it is gathered for the next read.
    """

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self._since: Since | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._touched: set[int] = set()
        self._positions: dict[int, int] = {}
        self._money = self._missed = False

    @property
    @abstractmethod
    def is_watched(self) -> bool:
        """Whether any socket wants it."""

    @abstractmethod
    def began(self, balances: list[LedgerAccount]) -> None:
        """From now on all is told; the account has these balances."""

    @abstractmethod
    def tell(self, happened: Happened) -> None:
        """This is new."""

    async def begin(self) -> None:
        """Return once everything that is committed from now on will be told. Raises what reading raises."""
        if self._since is None:
            if self._beginning is None:
                self._beginning = asyncio.create_task(self._begin())
            # Whoever came first may hang up meanwhile; the others still wait.
            await asyncio.shield(self._beginning)

    def moved(self, order_ids: Iterable[int], *, shard: int, position: int) -> None:
        """A commit has touched these orders."""
        self._touched.update(order_ids)
        self._positions[shard] = max(position, self._positions.get(shard, 0))
        self._read_soon()

    def money_moved(self) -> None:
        """Money moved without an order."""
        self._money = True
        self._read_soon()

    def resync(self) -> None:
        """Something may have been missed."""
        self._missed = True
        self._read_soon()

    def close(self) -> None:
        """Stop for good."""
        for task in (self._beginning, self._reader):
            if task is not None:
                task.cancel()

    async def _begin(self) -> None:
        try:
            self._since, balances = await in_thread(execution_selectors.begin, self.account_id)
        finally:
            self._beginning = None
        self.began(balances)
        self._read_soon()

    def _read_soon(self) -> None:
        if not self.is_watched:
            # Whoever comes next begins anew.
            self._since, self._touched, self._money, self._missed = None, set(), False, False
            return
        wanted = self._touched or self._money or self._missed
        if wanted and self._since is not None and self._reader is None:
            self._reader = asyncio.create_task(self._read(self._since))

    async def _read(self, since: Since) -> None:
        missed = self._missed or len(since.told) > _MOST_TOLD
        touched, positions = self._touched, dict(self._positions)
        self._touched, self._money, self._missed = set(), False, False
        if missed:
            found = await until_read(execution_selectors.everything, self.account_id, since)
        else:
            read = execution_selectors.happened
            found = await until_read(read, self.account_id, since, touched, up_to=positions)
        self._reader = None
        if self._since is since:
            self._since = found.since
            self.tell(found)
        self._read_soon()
