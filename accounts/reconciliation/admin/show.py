"""Small pieces that the pages of reconciliation share."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.safestring import SafeString

from accounts.models import LedgerAccount, Transfer
from accounts.reconciliation.models import Break, BreakKind, BreakState, StatementLine
from instruments.admin.show import amount
from tradeplatform.common.admin import show
from tradeplatform.common.admin.show import Tone

KIND_TONE = {
    BreakKind.MISSING_WITH_US: Tone.BAD,
    BreakKind.MISSING_WITH_THEM: Tone.WARN,
    BreakKind.DIFFERS: Tone.INFO,
}
STATE_TONE = {
    BreakState.OPEN: Tone.WARN,
    BreakState.MATCHED: Tone.GOOD,
    BreakState.SUPERSEDED: Tone.QUIET,
    BreakState.WRITTEN_OFF: Tone.BAD,
}


def kind(found: Break) -> SafeString:
    """Who lacks what, as a badge."""
    return show.badge(found.get_kind_display(), KIND_TONE[BreakKind(found.kind)])


def state(found: Break) -> SafeString:
    """Where it stands, as a badge."""
    return show.badge(found.get_state_display(), STATE_TONE[BreakState(found.state)])


def ledger(account: LedgerAccount) -> SafeString | str:
    """The ledger account, named by its kind and asset."""
    return show.ref(account, f"{account.get_kind_display()}, {account.asset.code}")


def line(told: StatementLine | None) -> SafeString | str:
    """A link to a line, by their reference."""
    return show.ref(told, told.reference) if told else show.NOTHING


def transfers(ids: Iterable[int]) -> SafeString | str:
    """Links to transfers."""
    return show.together([show.ref_to(Transfer, pk) for pk in ids]) or show.NOTHING


def size(found: Break) -> SafeString | str:
    """Theirs less ours."""
    return amount(found.amount, found.ledger.asset)
