"""What a replay did, for a person and for a program."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from instruments.scaling import text
from instruments.selectors import Rules
from orders.replay.comparison import LEVELS, Comparison, Touch


@dataclass(slots=True)
class Tally:
    """Counts of what was read, sent and answered; `not_sent` by the reason why."""

    rows: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    not_sent: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    duplicates: int = 0
    denied: Counter[str] = field(default_factory=Counter)
    cancels: int = 0
    cancels_denied: Counter[str] = field(default_factory=Counter)
    amends: int = 0

    @property
    def commands(self) -> int:
        """What the engine was given."""
        return self.accepted + self.cancels + self.amends


@dataclass(slots=True)
class PlatformCheck:
    """The platform's stored book against the one that the same commands give in a fresh engine."""

    checks: int = 0
    equal: int = 0
    first_difference: str = ""

    def add(self, *, same: bool, difference: str) -> None:
        """Count a comparison; `difference` is kept if it is the first."""
        self.checks += 1
        self.equal += same
        if not same:
            self.first_difference = self.first_difference or difference


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """The whole story of one run."""

    run: str
    rules: Rules
    seconds: float
    waited_seconds: float
    reconnections: int
    trades: int
    expected_trades: int
    tally: Tally
    comparison: Comparison
    platform: PlatformCheck

    def as_json(self) -> dict[str, Any]:
        """Plain values; shares are decimal text, prices at the instrument's precision."""
        tally, comparison, first = self.tally, self.comparison, self.comparison.first
        seconds = Decimal(str(round(self.seconds, 3))) or Decimal("0.001")
        return {
            "run": self.run,
            "symbol": self.rules.symbol,
            "rows": tally.rows,
            "actions": dict(tally.actions),
            "not_sent": dict(tally.not_sent),
            "commands": tally.commands,
            "orders_accepted": tally.accepted,
            "orders_duplicate": tally.duplicates,
            "orders_denied": dict(tally.denied),
            "cancels": tally.cancels,
            "cancels_denied": dict(tally.cancels_denied),
            "amends": tally.amends,
            "trades": self.trades,
            "expected_trades": self.expected_trades,
            "seconds": str(seconds),
            "waited_seconds": str(round(self.waited_seconds, 3)),
            "database_reconnections": self.reconnections,
            "orders_per_second": int(tally.accepted / seconds),
            "commands_per_second": int(tally.commands / seconds),
            "platform_book": {
                "checks": self.platform.checks,
                "equal": self.platform.equal,
                "first_difference": self.platform.first_difference,
            },
            "recorded_book": {
                "share_of_rows_with_equal_touch": _share(comparison.rows_equal, comparison.rows),
                "share_of_time_with_equal_touch": _share(comparison.time_equal_us, comparison.time_us),
                f"share_of_checks_with_equal_{LEVELS}_levels": _share(
                    comparison.depths_equal, comparison.depths
                ),
                "share_of_rows_recorded_crossed": _share(comparison.rows_recorded_crossed, comparison.rows),
                "partings": {reason.value: count for reason, count in comparison.partings.most_common()},
                "first": first
                and {
                    "line": first.line,
                    "recorded": self._touch(first.recorded),
                    "replayed": self._touch(first.replayed),
                    "reason": first.reason.value,
                },
            },
        }

    def _touch(self, touch: Touch) -> list[str]:
        return [text(self.rules.price(ticks), self.rules.price_decimals) for ticks in touch]


def _share(part: int, whole: int) -> str:
    return str(round(Decimal(part) / whole, 4)) if whole else "1"
