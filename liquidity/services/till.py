"""The money of deals, between the client and the house, and what covers a loss that a client cannot pay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.models import Deal, DealKind, LedgerKind, TransferKind
from accounts.services.posting import Cause, Entry, Ledger, OpenAccount
from instruments.models import Asset
from instruments.scaling import short_text

_ZERO = Decimal(0)
#: The house's ledger accounts that deals move money on.
SYSTEM = (LedgerKind.DEALING, LedgerKind.FEE, LedgerKind.PROTECTION)


@dataclass(slots=True)
class Till:
    """Moves the money of deals on locked ledger accounts; nothing is written before the ledger is flushed."""

    ledger: Ledger
    client: OpenAccount
    credit: OpenAccount
    currency: Asset
    now: datetime
    cause: Cause

    def move(self, deal: Deal) -> Entry | None:
        """The transfers of one deal, as one entry; None where nothing moves."""
        entry: Entry | None = None
        dealing, fee = self._house(LedgerKind.DEALING), self._house(LedgerKind.FEE)
        for kind, other, amount in (
            (TransferKind.DEAL_PNL, dealing, deal.pnl),
            (TransferKind.SWAP, dealing, deal.swap),
            (TransferKind.COMMISSION, fee, -deal.commission),
        ):
            if amount > 0:
                entry = self._pay(kind, other, self.client, amount, entry)
            elif amount < 0:
                entry = self._cover(-amount, entry)
                entry = self._pay(kind, self.client, other, -amount, entry)
        return entry

    def _cover(self, amount: Decimal, entry: Entry | None) -> Entry | None:
        """Before the client pays what it has not: from what the house lent it, then from protection.

        What open orders hold is not touched: it is promised to others.
        """
        missing = amount - (self.client.balance - self.client.held)
        protection = self._house(LedgerKind.PROTECTION)
        lent = min(max(missing, _ZERO), self.credit.balance)
        for payer, part in ((self.credit, lent), (protection, missing - lent)):
            if part > 0:
                entry = self._pay(TransferKind.PROTECTION, payer, self.client, part, entry)
        return entry

    def _house(self, kind: LedgerKind) -> OpenAccount:
        """The house's own, on the client's side of the wall between demo and live money."""
        return self.ledger.system(kind, self.currency.pk, self.client.realm)

    def _pay(
        self,
        kind: TransferKind,
        payer: OpenAccount,
        payee: OpenAccount,
        amount: Decimal,
        entry: Entry | None,
    ) -> Entry:
        begun = self.ledger.transfer(
            at=self.now, kind=kind, debit=payer, credit=payee, amount=amount, cause=self.cause, entry=entry
        )
        return begun if entry is None else entry


def cause_of(deal: Deal, symbol: str, cause: Cause) -> Cause:
    """The cause with what was dealt, in which position, before what was said: a statement shows it."""
    dealt = f" {short_text(deal.volume)}" if deal.volume else ""
    what = f"{DealKind(deal.kind).label}{dealt} {symbol}, position {deal.position_id}"
    return cause._replace(reason=f"{what}: {cause.reason}" if cause.reason else what)
