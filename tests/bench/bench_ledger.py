"""Pages, statements, balances and exports over a ledger of N transfers, in milliseconds, with their plans.

Traffic, in words: one asset, 12 months up to now in a partition each, 1,000 accounts that deposit all the
time, and one busy account that has every hundredth transfer. The rows are those the ledger's own writer would
have written (both balances chain), but they are made by the database itself; references are not checked while
it does. Times are of one process with warm caches: median and worst of many rounds.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench.platform import throwaway_platform

ACCOUNTS, MONTHS, PIECE = 1_000, 12, 500_000

_FILL = """
    INSERT INTO accounts_transfer (id, entry_id, at, kind, asset_id, realm, debit_id, credit_id, amount,
        debit_balance_after, credit_balance_after, request_id, reason)
    SELECT n + 1, n + 1, %(start)s::timestamptz + n * %(step)s::interval, 'deposit', %(asset)s, 'live',
           %(outside)s,
           %(first)s + CASE WHEN n %% 100 = 0 THEN 0 ELSE 1 + (n - n / 100 - 1) %% %(accounts)s END,
           1, -(n + 1), 1 + CASE WHEN n %% 100 = 0 THEN n / 100 ELSE (n - n / 100 - 1) / %(accounts)s END,
           '', 'wire'
    FROM generate_series(%(from)s::bigint, %(to)s::bigint - 1) n"""


def main() -> None:
    """Fill, then measure each thing and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("transfers", type=int, nargs="?", default=2_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plans", action="store_true", help="Print how PostgreSQL reads the statement.")
    options = parser.parse_args()
    with throwaway_platform():
        ledger = _Filled(options.transfers)
        found = dict(ledger.measure(options.rounds))
        if options.json:
            print(json.dumps(found))
        else:
            _print(found)
        if options.plans:
            ledger.print_plans()


def _print(found: dict[str, Any]) -> None:
    print(f"{'what':58} {'median':>10} {'worst':>10}")
    for name, value in found.items():
        if isinstance(value, list):
            print(f"{name:58} {value[0]:8.1f}ms {value[1]:8.1f}ms")
        else:
            print(f"{name:58} {value}")


class _Filled:
    """A database with so many transfers, and the people who ask about them."""

    def __init__(self, transfers: int) -> None:
        from accounts.models import Role, TradingAccount, User, UserRole  # noqa: PLC0415 - needs Django
        from instruments.models import Asset  # noqa: PLC0415

        self.transfers = transfers
        asset = Asset.objects.create(code="USDX", name="bench dollars", decimals=2)
        self.boss = User.objects.create(
            username="boss", email="b@example.com", is_staff=True, is_superuser=True
        )
        UserRole.objects.create(user=self.boss, role=Role.SUPER_ADMIN)
        self.busy, *others = TradingAccount.objects.bulk_create(
            TradingAccount(account_number=f"B-{n}", user=self.boss, currency=asset)
            for n in range(ACCOUNTS + 1)
        )
        self.plain = others[0]
        self.now = datetime.now(UTC)
        self.first_month = (self.now.replace(day=1) - timedelta(days=31 * MONTHS - 20)).date().replace(day=1)
        started = time.perf_counter()
        self._fill(asset.pk)
        self.filled_in = time.perf_counter() - started

    def _fill(self, asset: int) -> None:
        from accounts.models import LedgerAccount, TradingAccount  # noqa: PLC0415
        from accounts.services.closing import month_after, start_of  # noqa: PLC0415
        from tradeplatform.common.db import execute  # noqa: PLC0415

        month = self.first_month
        while start_of(month) < self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0):
            execute(
                f"CREATE TABLE accounts_transfer_b{month:%Y%m} PARTITION OF accounts_transfer"
                f" FOR VALUES FROM ('{start_of(month)}') TO ('{start_of(month_after(month))}')"
            )
            month = month_after(month)
        execute("ALTER TABLE accounts_transfer DISABLE TRIGGER USER")
        start = start_of(self.first_month)
        step = (self.now - start) / self.transfers
        outside = LedgerAccount.objects.create(
            kind="funding", asset_id=asset, balance=-self.transfers, moved_at=self.now
        ).pk
        accounts = TradingAccount.objects.order_by("id").values_list("id", flat=True)
        first = LedgerAccount.objects.bulk_create(
            LedgerAccount(kind="client", account_id=number, asset_id=asset, moved_at=self.now)
            for number in accounts
        )[0].pk
        for begin in range(0, self.transfers, PIECE):
            execute(
                _FILL,
                {
                    "start": start, "step": step, "asset": asset, "outside": outside, "first": first,
                    "accounts": ACCOUNTS, "from": begin, "to": min(begin + PIECE, self.transfers),
                },
            )  # fmt: skip
        execute(
            "UPDATE accounts_ledgeraccount l SET balance = sums.sum FROM (SELECT credit_id, sum(amount)"
            " FROM accounts_transfer GROUP BY credit_id) sums WHERE sums.credit_id = l.id"
        )
        execute("SELECT setval('accounts_transfer_id_seq', %s)", [self.transfers])
        execute("VACUUM ANALYZE")

    def measure(self, rounds: int) -> Iterator[tuple[str, Any]]:
        """Each thing with its median and worst milliseconds."""
        from django.test import Client  # noqa: PLC0415
        from django.urls import reverse  # noqa: PLC0415
        from rest_framework.test import APIClient  # noqa: PLC0415

        from accounts.models import LedgerAccount  # noqa: PLC0415
        from accounts.services.closing import close_months  # noqa: PLC0415
        from accounts.statement_selectors import Period, balances_at, statement_of  # noqa: PLC0415

        desk, api = Client(SERVER_NAME="localhost"), APIClient(SERVER_NAME="localhost")
        desk.force_login(self.boss, backend="accounts.backends.RoleBackend")
        api.force_authenticate(self.boss)
        last = self.now.date().replace(day=1) - timedelta(days=1)
        month, day = Period.of_month(last.year, last.month), Period(last, last)
        days = f"from={month.first}&to={month.last}"

        def get(url: str, client: Any = desk) -> Callable[[], Any]:
            def ask() -> Any:
                answer = client.get(url)
                assert answer.status_code == 200, (url, answer.status_code)
                return answer

            return ask

        def page(name: str, *arguments: Any) -> Callable[[], Any]:
            return get(reverse(f"admin:accounts_{name}", args=arguments))

        def timed(work: Callable[[], Any]) -> list[float]:
            return _milliseconds(work, rounds)

        yield "transfers", f"{self.transfers:,} in {self.filled_in:.0f} s"
        for name, account in (("plain", self.plain), ("busy", self.busy)):
            own = LedgerAccount.objects.get(account=account)
            long_ago = self.now - timedelta(days=200)
            lines = sum(len(s.lines) for s in statement_of(account, month, most_lines=None).sections)
            yield f"{name}: lines in the month", f"{lines:,}"
            yield f"{name}: account page", timed(page("tradingaccount_change", account.pk))
            yield (
                f"{name}: its transfers, first page",
                timed(
                    get(f"{reverse('admin:accounts_transfer_changelist')}?account={account.account_number}")
                ),
            )
            yield f"{name}: API ledger", timed(get(f"/api/v1/accounts/{account.pk}/ledger", api))
            yield f"{name}: statement of a day", timed(lambda a=account: statement_of(a, day))  # type: ignore[misc]
            yield (
                f"{name}: statement of a month",
                timed(
                    lambda a=account: statement_of(a, month, most_lines=None)  # type: ignore[misc]
                ),
            )
            url = f"{reverse('admin:accounts_tradingaccount_statement', args=[account.pk])}?{days}"
            if lines <= 10_000:
                yield f"{name}: statement page of a month", timed(get(url))
            yield (
                f"{name}: balance 200 days ago",
                timed(
                    lambda i=own.pk, at=long_ago: balances_at([i], at)  # type: ignore[misc]
                ),
            )
        everyone = list(LedgerAccount.objects.values_list("id", flat=True))
        half_a_year_ago = self.now - timedelta(days=180)
        before = balances_at(everyone, half_a_year_ago)
        yield (
            f"all {len(everyone):,} balances 180 days ago",
            timed(lambda: balances_at(everyone, half_a_year_ago)),
        )
        with _clock() as took:
            closed = close_months(now=self.now)
        yield f"closing {len(closed)} months", f"{took():.1f} s"
        assert balances_at(everyone, half_a_year_ago) == before
        yield "plain: statement of a month, months closed", timed(lambda: statement_of(self.plain, month))
        yield (
            "all balances at a month's end, months closed",
            timed(lambda: balances_at(everyone, month.since)),
        )
        yield from self._export()

    def _export(self) -> Iterator[tuple[str, Any]]:
        from accounts.exporting import whole_ledger  # noqa: PLC0415
        from accounts.statement_selectors import Period  # noqa: PLC0415

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        months = max(1, min(MONTHS, round(1_000_000 * MONTHS / self.transfers)))
        end = self.now.date().replace(day=1) - timedelta(days=1)
        first = (end - timedelta(days=30 * (months - 1))).replace(day=1)
        rows, size = -1, 0
        with _clock() as took:
            for piece in whole_ledger(Period(first, end)):
                rows += piece.count(b"\n")
                size += len(piece)
        seconds = took()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        speed = f"{size / 1e6:.0f} MB in {seconds:.1f} s ({rows / seconds:,.0f} rows/s)"
        yield "export", f"{rows:,} rows, {speed}; peak memory {before} MB before, {after} MB after"

    def print_plans(self) -> None:
        """What the statement of a month of the busy account opens."""
        from django.db import connection  # noqa: PLC0415

        from accounts.statement_selectors import Period, statement_of  # noqa: PLC0415

        last = self.now.date().replace(day=1) - timedelta(days=1)

        def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            if "accounts_transfer" in sql:
                with context["connection"].connection.cursor() as cursor:
                    for (line,) in cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {sql}", params).fetchall():
                        print(line)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(explain):
            statement_of(self.busy, Period.of_month(last.year, last.month), most_lines=None)


def _milliseconds(work: Callable[[], Any], rounds: int) -> list[float]:
    work()
    found = []
    for _ in range(rounds):
        with _clock() as took:
            work()
        found.append(took() * 1_000)
    return [statistics.median(found), max(found)]


@contextmanager
def _clock() -> Iterator[Callable[[], float]]:
    started = time.perf_counter()
    ended: list[float] = []
    yield lambda: (ended[0] if ended else time.perf_counter()) - started
    ended.append(time.perf_counter())


if __name__ == "__main__":
    main()
