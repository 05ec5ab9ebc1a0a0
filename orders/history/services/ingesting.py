"""Take trades that were made elsewhere into the store, late and in any order, each once.

(source, external id) is the idempotency story: told again with the same content it is the same trade, with
other content a conflict, and neither changes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.db import transaction

from accounts.models import TradingAccount
from instruments.scaling import steps
from instruments.selectors import Rules, rules_by_symbol, unknown_symbol
from orders.history.building import Execution
from orders.history.models import Origin
from orders.history.reading import ToldTrade
from orders.history.services.appending import append
from orders.history.services.timelines import lock_timelines
from tradeplatform.common.db import copy_rows, fetch, next_ids
from tradeplatform.common.errors import Code, Refusal

_COLUMNS = (
    "id", "at", "account_id", "instrument_id", "quantity", "price", "fee", "source", "external_id",
    "received_at",
)  # fmt: skip


class Taken(StrEnum):
    """What became of a trade that was told."""

    NEW = "new"
    REPEATED = "repeated"


#: New, known already, or refused.
Outcome = Taken | Refusal


@dataclass(frozen=True, slots=True)
class _Named:
    """A trade whose account and instrument were found."""

    place: int
    told: ToldTrade
    account_id: int
    instrument_id: int


def ingest(told: Sequence[ToldTrade], *, now: datetime) -> list[Outcome]:
    """Take what is new, in one transaction; an outcome for each, in order. Times must not be after now.

    Refused by an outcome: account_not_found, unknown_symbol, invalid_number, external_id_conflict.
    """
    outcomes: dict[int, Outcome] = {}
    named = _find(told, outcomes)
    with transaction.atomic():
        lock_timelines({trade.instrument_id for trade in named})
        new = _identify(named, outcomes)
        copy_rows(
            "history_externaltrade",
            _COLUMNS,
            (
                (
                    number, told.at, trade.account_id, trade.instrument_id, told.quantity, told.price,
                    told.fee, told.source, told.external_id, now,
                )
                for number, trade in new.items() for told in (trade.told,)
            ),
        )  # fmt: skip
        append([_execution(number, trade) for number, trade in new.items()], now=now)
    return [outcomes[place] for place in range(len(told))]


def _find(told: Sequence[ToldTrade], outcomes: dict[int, Outcome]) -> list[_Named]:
    """Those whose account and instrument exist and whose quantity the base asset has."""
    numbers = {trade.account for trade in told}
    accounts = dict(
        TradingAccount.objects.filter(account_number__in=numbers).values_list("account_number", "id")
    )
    rules = rules_by_symbol(trade.instrument for trade in told)
    named = []
    for place, trade in enumerate(told):
        market, account_id = rules.get(trade.instrument), accounts.get(trade.account)
        if account_id is None:
            outcomes[place] = Refusal(Code.ACCOUNT_NOT_FOUND, "No such account.", account=trade.account)
        elif market is None:
            outcomes[place] = unknown_symbol(trade.instrument)
        elif fault := _too_fine(trade, market):
            outcomes[place] = fault
        else:
            named.append(_Named(place, trade, account_id, market.id))
    return named


def _too_fine(trade: ToldTrade, rules: Rules) -> Refusal | None:
    if steps(trade.quantity, Decimal(1).scaleb(-rules.base_decimals)) is not None:
        return None
    return Refusal(
        Code.INVALID_NUMBER,
        f"quantity: {rules.base_code} has {rules.base_decimals} digits after the point.",
        field="quantity",
        decimals=rules.base_decimals,
    )


def _identify(named: list[_Named], outcomes: dict[int, Outcome]) -> dict[int, _Named]:
    """Give each new trade its id, for ever; the others are known already or in conflict."""
    first: dict[tuple[str, str], _Named] = {}
    for trade in named:
        first.setdefault(trade.told.name, trade)
    ids = dict(zip(first, next_ids("history_externaltrade_id_seq", len(first)), strict=True))
    rows = fetch(
        """
        WITH told AS (
            SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::text[])
                AS told(trade_id, trade_at, source, external_id, fingerprint)
        ), new AS (
            INSERT INTO history_externaltradeidentity (trade_id, trade_at, source, external_id, fingerprint)
            SELECT * FROM told ORDER BY source, external_id
            ON CONFLICT (source, external_id) DO NOTHING RETURNING trade_id)
        SELECT trade_id FROM new""",
        [
            list(ids.values()),
            [trade.told.at for trade in first.values()],
            [trade.told.source for trade in first.values()],
            [trade.told.external_id for trade in first.values()],
            [trade.told.fingerprint for trade in first.values()],
        ],
    )
    inserted = {row[0] for row in rows}
    # In a statement of its own: it sees what another transaction has committed while the insert waited.
    known = _fingerprints(list(first))
    new: dict[int, _Named] = {}
    for trade in named:
        name = trade.told.name
        if first[name] is trade and ids[name] in inserted:
            new[ids[name]] = trade
            outcomes[trade.place] = Taken.NEW
        elif known[name] == trade.told.fingerprint:
            outcomes[trade.place] = Taken.REPEATED
        else:
            outcomes[trade.place] = Refusal(
                Code.EXTERNAL_ID_CONFLICT,
                "The source has told another trade under this id.",
                source=trade.told.source,
                external_id=trade.told.external_id,
            )
    return new


def _fingerprints(names: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    rows = fetch(
        "SELECT i.source, i.external_id, i.fingerprint FROM unnest(%s::text[], %s::text[])"
        " AS n(source, external_id) JOIN history_externaltradeidentity i USING (source, external_id)",
        [[source for source, _id in names], [external_id for _source, external_id in names]],
    )
    return {(source, external_id): fingerprint for source, external_id, fingerprint in rows}


def _execution(number: int, trade: _Named) -> Execution:
    told = trade.told
    return Execution(
        at=told.at,
        origin=Origin.EXTERNAL,
        id=number,
        account_id=trade.account_id,
        instrument_id=trade.instrument_id,
        quantity=told.quantity,
        price=told.price,
        fee=told.fee or Decimal(0),
    )
