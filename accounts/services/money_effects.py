"""What a movement of money will change, in the words of the page before the press and of the inbox."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import (
    LedgerAccount,
    LedgerKind,
    MoneyKind,
    MoneyRequest,
    MoneyState,
    TradingAccount,
    User,
)
from accounts.services.amounts import insufficient
from accounts.services.limits import CURRENCY, uses_of, worth_of
from accounts.services.money_requests import movement_of
from accounts.services.moving import Movement, require_may
from audit.approvable import EffectRow
from instruments.models import Asset
from instruments.scaling import grouped, text

_ZERO = Decimal(0)
_OTHER_SIDE = {
    LedgerKind.FUNDING: "Funding: the outside world",
    LedgerKind.HOUSE: "House: our own money",
}


def preview(payload: Mapping[str, Any]) -> list[EffectRow]:
    """The effect of what waits or is about to, as things stand now. Raises what doing it would raise."""
    own = MoneyRequest.objects.filter(id=payload["money_request"], state=MoneyState.REQUESTED).first()
    movement = movement_of(payload)
    rows = effects(movement, release=own.held if own else _ZERO, waits=own is None)
    if own and own.kind == MoneyKind.WITHDRAWAL:
        rows += limit_effects(movement, now=timezone.now(), own=own)
    evidence = {"Reference": payload["reference"], "Document (SHA-256)": payload["document_hash"]}
    return rows + [(name, "", value) for name, value in evidence.items() if value]


def effects(movement: Movement, *, release: Decimal = _ZERO, waits: bool = False) -> list[EffectRow]:
    """Balance, held and available of each client's side, and the other side.

    `release` is its own hold. `waits`: others will be asked first, so a withdrawal is held at once.
    Raises Refusal: insufficient_funds and what the rules of accounts say.
    """
    ids = movement.account_ids
    accounts = {row.pk: row for row in TradingAccount.objects.select_related("user").filter(id__in=ids)}
    require_may(movement, accounts)
    out = movement.kind in {MoneyKind.WITHDRAWAL, MoneyKind.TRANSFER}
    change = -movement.amount if out else movement.amount
    kind = LedgerKind.CREDIT if movement.kind in {MoneyKind.CREDIT, MoneyKind.BONUS} else LedgerKind.CLIENT
    held_first = waits and movement.kind == MoneyKind.WITHDRAWAL
    rows = _side(accounts[movement.account_id], kind, movement.asset, change, release, held_first=held_first)
    if movement.to_account_id is not None:
        receiver = accounts[movement.to_account_id]
        rows += _side(receiver, kind, movement.asset, movement.amount, Decimal(0))
    elif movement.house_kind is not None:
        rows.append(("Other side of the transfer", "", _OTHER_SIDE[movement.house_kind]))
    return rows


def limit_effects(movement: Movement, *, now: datetime, own: MoneyRequest | None = None) -> list[EffectRow]:
    """What a withdrawal leaves of its owner's limits; `own` is the request itself, where it waits already.

    Raises Refusal: no_rate, kyc_limit_exceeded.
    """
    owner = User.objects.get(accounts__id=movement.account_id)
    worth = own.worth if own else None
    if worth is None:
        worth = worth_of(movement.amount, movement.asset.code, now=now)
    rows = []
    for use in uses_of(owner, now=now, besides=own.pk if own else 0):
        use.require(worth)
        label = f"Withdrawn in {use.period}, of {_plain(use.limit)} {CURRENCY}"
        rows.append((label, f"{_plain(use.spent)} {CURRENCY}", f"{_plain(use.spent + worth)} {CURRENCY}"))
    return rows


def _side(
    account: TradingAccount,
    kind: LedgerKind,
    asset: Asset,
    change: Decimal,
    release: Decimal,
    *,
    held_first: bool = False,
) -> list[EffectRow]:
    row = LedgerAccount.objects.filter(account=account, asset=asset, kind=kind).first()
    balance, held, available = (row.balance, row.held, row.available) if row else (_ZERO, _ZERO, _ZERO)
    if available + release + change < 0:
        raise insufficient(available + release, held - release, -change, asset)

    def amount(value: Decimal) -> str:
        return f"{grouped(text(value, asset.decimals))} {asset.code}"

    if kind == LedgerKind.CREDIT:
        return [(f"{account} credit", amount(balance), amount(balance + change))]
    if held_first:
        return [
            (f"{account} held, at once", amount(held), amount(held - change)),
            (f"{account} available, at once", amount(available), amount(available + change)),
            (f"{account} held, when approved", amount(held - change), amount(held)),
            (f"{account} balance, when approved", amount(balance), amount(balance + change)),
        ]
    return [
        (f"{account} balance", amount(balance), amount(balance + change)),
        (f"{account} held", amount(held), amount(held - release)),
        (f"{account} available", amount(available), amount(available + release + change)),
    ]


def _plain(value: Decimal) -> str:
    return grouped(text(value, 2))
