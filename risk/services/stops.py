"""What is stopped, as plain values: read where a check has its rows anyway, and asked without a query.

Whoever cannot read the global switch takes everything for stopped.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from risk.models import KillScope, KillStage
from risk.models.kill_switch import PRESSES
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal

_WORDS: Final = {
    KillScope.GLOBAL: "Everything",
    KillScope.INSTRUMENT: "This instrument",
    KillScope.ACCOUNT: "This account",
    KillScope.GROUP: "This account's group",
    KillScope.API_KEY: "This API key",
}

#: For a query on `accounts_tradingaccount` called `a`: the stops that may concern an order of the account, as
#: text; NULL where the global switch is missing and nothing is stopped besides.
SQL_OF_ACCOUNT: Final = """(
    SELECT array_agg(concat_ws(':', s.scope, s.key, s.stage)) FROM risk_killswitch s
    WHERE s.scope = 'global' OR s.stage <> 'open' AND (
        s.scope IN ('instrument', 'api_key') OR s.scope = 'account' AND s.key = a.id
        OR s.scope = 'group' AND (s.key = a.group_id OR a.id = ANY(s.members))))"""


@dataclass(frozen=True, slots=True)
class Stop:
    """A switch that is not open, and how far it is."""

    scope: KillScope
    key: int
    stage: KillStage
    members: frozenset[int] = frozenset()

    def stands_against(self, *, market: bool) -> bool:
        """Whether it stops new orders of a kind: at any price, or at a limit."""
        return self.stage in PRESSES or (market and self.stage == KillStage.LIMIT_ONLY)


#: What counts where the global switch is missing.
ALL_STOPPED: Final = Stop(KillScope.GLOBAL, 0, KillStage.STOPPED)


def credential_of(key: int) -> str:
    """How an order says that it came with this API key."""
    return f"key:{key}"


@dataclass(frozen=True, slots=True)
class Stops:
    """The stops that concern one account, its group among them."""

    found: tuple[Stop, ...]

    @classmethod
    def parse(cls, texts: Collection[str] | None) -> Stops:
        """From what SQL_OF_ACCOUNT gave."""
        rows = [text.split(":") for text in texts or ()]
        stops = [Stop(KillScope(scope), int(key), KillStage(stage)) for scope, key, stage in rows]
        if not any(stop.scope == KillScope.GLOBAL for stop in stops):
            stops.append(ALL_STOPPED)
        return cls(tuple(stop for stop in stops if stop.stage != KillStage.OPEN))

    def check(self, *, instrument_id: int, credential: str, market: bool) -> None:
        """Refuse what is stopped; `market`: it would trade at any price. Raises Refusal killed."""
        for stop in self.found:
            aside = (stop.scope == KillScope.INSTRUMENT and stop.key != instrument_id) or (
                stop.scope == KillScope.API_KEY and credential_of(stop.key) != credential
            )
            if not aside and stop.stands_against(market=market):
                raise _refusal(stop)


def stops_of(account_id: int) -> Stops:
    """The stops that concern an account, by one query."""
    sql = f"SELECT {SQL_OF_ACCOUNT} FROM accounts_tradingaccount a WHERE a.id = %s"  # noqa: S608 - ours
    rows = fetch(sql, [account_id])
    return Stops.parse(rows[0][0] if rows else None)


NO_STOPS: Final = Stops(())


def _refusal(stop: Stop) -> Refusal:
    taken = "only cancels are" if stop.stage in PRESSES else "only limit orders and cancels are"
    return Refusal(
        Code.KILLED,
        f"{_WORDS[stop.scope]} was stopped by the kill switch: {taken} taken until it is released.",
        scope=stop.scope.value,
        stage=stop.stage.value,
    )
