"""Parties and states of the ledger and of accounts, as people read them."""

from __future__ import annotations

from django.utils.safestring import SafeString

from accounts.models import LedgerAccount, LedgerKind, TradingAccount, TransferKind, User
from instruments.models import Realm
from tradeplatform.common.admin import show
from tradeplatform.common.admin.show import Tone

KIND_TONE = {
    TransferKind.DEPOSIT: Tone.GOOD,
    TransferKind.WITHDRAWAL: Tone.WARN,
    TransferKind.ADJUSTMENT: Tone.BAD,
    TransferKind.CORRECTION: Tone.BAD,
    TransferKind.CREDIT: Tone.GOOD,
    TransferKind.BONUS: Tone.GOOD,
    TransferKind.INTERNAL: Tone.WARN,
    TransferKind.WRITE_OFF: Tone.BAD,
}


def party(ledger: LedgerAccount) -> SafeString | str:
    """Whose ledger account it is: the trading account's number, or the house's own kind."""
    if ledger.kind == LedgerKind.CLIENT and ledger.account is not None:
        return show.ref(ledger.account)
    demo = ", demo" if ledger.realm == Realm.DEMO else ""
    return show.ref(ledger, f"{ledger.get_kind_display()}{demo}")


def transfer_kind(kind: str) -> SafeString:
    """Why money moved; a person's acts stand out."""
    return show.badge(TransferKind(kind).label, KIND_TONE.get(TransferKind(kind), Tone.QUIET))


def account_states(account: TradingAccount) -> list[SafeString]:
    """Whether it may trade, and what kind it is."""
    states = [show.badge(account.get_type_display(), Tone.INFO)]
    if account.is_locked:
        states.append(show.badge("Locked", Tone.BAD, title=account.locked_reason))
    if not account.is_active:
        states.append(show.badge("Closed", Tone.QUIET))
    if account.is_active and not account.is_locked:
        states.append(show.badge("Trading", Tone.GOOD))
    return states


def person(user: User) -> str:
    """A person's name, or the login where there is none."""
    return user.get_full_name() or user.username
