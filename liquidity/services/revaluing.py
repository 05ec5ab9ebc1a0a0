"""Keep what open positions reserve as quotes move, so that it can be neither spent nor withdrawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from django.db import transaction

from accounts.models import MarginMethod, Position, TradingAccount
from accounts.services.posting import Ledger
from instruments.services.converting import load_rates
from liquidity.selectors import accounts_with_positions
from liquidity.services.terms import terms_of
from liquidity.services.valuing import value
from risk.services.margin import Standing
from tradeplatform.common.errors import Refusal

CHUNK = 200


def revalue(*, now: datetime) -> int:
    """Value all accounts with open positions anew, in chunks; returns how many.

    An account that somebody deals in at the moment is left to that deal, which values it. One without a rate
    keeps what it reserves.
    """
    return sum(_revalue(chunk, now=now) for chunk in _chunks(accounts_with_positions()))


def _chunks(numbers: Sequence[int]) -> Iterator[list[int]]:
    left = iter(numbers)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


def _revalue(numbers: Sequence[int], *, now: datetime) -> int:
    with transaction.atomic():
        accounts = list(
            TradingAccount.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
            .select_related("group__commission_asset", "currency")
            .filter(id__in=numbers)
            .order_by("id")
        )
        held: dict[int, list[Position]] = defaultdict(list)
        open_ones = Position.objects.filter(account__in=accounts, closed_at__isnull=True)
        for position in open_ones.order_by("id"):
            held[position.account_id].append(position)
        terms = terms_of(
            (account, {position.instrument_id for position in held[account.pk]}) for account in accounts
        )
        rates = load_rates(now=now)
        keys = [(account.pk, account.currency_id) for account in accounts]
        ledger = Ledger.lock(clients=keys, credits=keys)
        for account, key in zip(accounts, keys, strict=True):
            method = account.group.margin_method if account.group else MarginMethod.RETAIL
            try:
                valued = value(
                    held[account.pk],
                    terms[account.pk],
                    rates,
                    currency=account.currency,
                    method=MarginMethod(method),
                )
            except Refusal:
                continue
            client, credit = ledger.client(*key), ledger.credit(*key)
            standing = Standing(client.balance, credit.balance, valued.unrealised, client.held, valued.margin)
            ledger.reserve(client, standing.reserved)
        ledger.flush()
    return len(accounts)
