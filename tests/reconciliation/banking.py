"""A bank with our money, its statements, and what people do about them."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from accounts.models import (
    FundingRequest,
    LedgerKind,
    MoneyKind,
    Role,
    TradingAccount,
    Transfer,
    TransferKind,
    User,
)
from accounts.reconciliation.models import (
    Break,
    BreakState,
    ImportedStatement,
    Match,
    MatchLeg,
    ReconciliationRun,
    StatementBalance,
    StatementLine,
    StatementSource,
    StatementUpload,
    Undoing,
)
from accounts.reconciliation.services.importing import Imported, Terms, import_statement
from accounts.reconciliation.services.matching import match_by_hand, rematch, undo
from accounts.reconciliation.services.sources import add_source
from accounts.reconciliation.services.uploads import upload
from accounts.reconciliation.services.writing_off import ACTION, ask_write_off
from accounts.services.funding import deposit, withdraw
from accounts.services.posting import Cause, Ledger
from audit.models import ApprovalDecision, ApprovalRequest, AuditRecord
from audit.services.approving import decide
from audit.services.policies import add_policy
from instruments.models import Asset
from tests.accounts.wishing import ask_money, client_account
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, everything_stored, make_account, make_asset, make_user, short, tag
from tradeplatform.common.errors import Refusal
from tradeplatform.common.invariants import check_all

#: The day after: all that tests do at NOW is over.
LATER = NOW + timedelta(days=1)
HEADER = "reference,date,amount,ours,text"
RULES = ["iM1", "iM2", "iM3", "iM4-balance", "iM4-chain", "iM5", "iA2-money", "iR1-even", "iR1-once",
         "iR2-lines", "iR2-transfers", "iR3"]  # fmt: skip


def make_source(*assets: Asset, kind: LedgerKind = LedgerKind.FUNDING, **changes: Any) -> StatementSource:
    """A bank that writes HEADER, with one asset of two digits unless told otherwise."""
    values: dict[str, Any] = {
        "counterparty": "First Bank",
        "reference_column": "reference",
        "date_column": "date",
        "amount_column": "amount",
        "our_reference_column": "ours",
        "text_column": "text",
    }
    return add_source(
        name=f"bank-{tag().lower()}",
        kind=kind,
        assets=[asset.code for asset in assets or (make_asset(decimals=2),)],
        values=values | changes,
        reason="a new account",
        actor=ACTOR,
        now=NOW,
    )


def asset_of(source: StatementSource) -> Asset:
    """Its first."""
    asset: Asset = source.ledgers.select_related("ledger__asset").order_by("pk")[0].ledger.asset
    return asset


def account_at(source: StatementSource, **changes: Any) -> TradingAccount:
    """A client whose money is with the source."""
    return make_account(currency=asset_of(source), **changes)


def paid_in(
    account: TradingAccount, amount: str | int, *, at: datetime = NOW, request_id: str = ""
) -> Transfer:
    """A deposit of its currency."""
    return _move(deposit, account, amount, at, request_id)


def paid_out(
    account: TradingAccount, amount: str | int, *, at: datetime = NOW, request_id: str = ""
) -> Transfer:
    """A withdrawal of its currency."""
    return _move(withdraw, account, amount, at, request_id)


def _move(
    act: Callable[..., Transfer], account: TradingAccount, amount: str | int, at: datetime, request_id: str
) -> Transfer:
    return act(
        account_id=account.pk,
        asset=account.currency.code,
        amount=Decimal(amount),
        reason="test",
        request_id=request_id or uuid.uuid4().hex,
        actor=ACTOR,
        now=at,
    )


def with_provider(asset: Asset, amount: str | int, *, at: datetime = NOW) -> int:
    """House money that goes to a liquidity provider; the transfer's id."""
    with transaction.atomic():
        ledger = Ledger.lock(system=[(LedgerKind.HOUSE, asset.pk), (LedgerKind.LP, asset.pk)])
        house, provider = ledger.system(LedgerKind.HOUSE, asset.pk), ledger.system(LedgerKind.LP, asset.pk)
        ledger.transfer(
            at=at,
            kind=TransferKind.INTERNAL,
            debit=provider,
            credit=house,
            amount=Decimal(amount),
            cause=Cause(reason="margin at the provider"),
        )
        (number,) = ledger.flush()
    return number


def row(
    reference: str, amount: str | int, *, ours: str = "", at: datetime = NOW, text: str = "payment"
) -> str:
    """A line of a file under HEADER."""
    return f"{reference},{at:%Y-%m-%d},{amount},{ours},{text}"


def statement(*rows: str, header: str = HEADER) -> bytes:
    """A file."""
    return ("\n".join([header, *rows]) + "\n").encode()


def take(
    source: StatementSource, *rows: str, content: bytes | None = None, now: datetime = LATER, **terms: Any
) -> Imported:
    """Import a file of these rows."""
    return import_statement(
        source_id=source.pk,
        file=io.BytesIO(statement(*rows) if content is None else content),
        file_name="statement.csv",
        terms=Terms(**terms),
        reason="the bank's daily file",
        actor=ACTOR,
        now=now,
    )


def breaks(source: StatementSource) -> list[tuple[str, str]]:
    """(kind, amount) of every open break, as they were opened."""
    rows = Break.objects.filter(source=source, state=BreakState.OPEN).order_by("pk")
    return [(found.kind, short(found.amount)) for found in rows]


def the_break(source: StatementSource) -> Break:
    """The only open one."""
    return Break.objects.get(source=source, state=BreakState.OPEN)


def matched(source: StatementSource) -> list[tuple[str, list[str], list[int]]]:
    """(rule, references of lines, transfers) of every match that was not undone."""
    found = []
    for match in Match.objects.filter(source=source, undoing__isnull=True).order_by("pk"):
        legs = list(match.legs.select_related("line").order_by("pk"))
        lines = sorted(leg.line.reference for leg in legs if leg.line)
        found.append((match.rule, lines, sorted(leg.transfer_id for leg in legs if leg.transfer_id)))
    return found


def by_hand(
    source: StatementSource,
    lines: list[StatementLine],
    transfers: list[Transfer],
    *,
    by_whom: User | None = None,
) -> Match:
    """Somebody says they are the same."""
    return match_by_hand(
        source_id=source.pk,
        line_ids=[line.pk for line in lines],
        transfer_ids=[transfer.pk for transfer in transfers],
        reason="seen on paper",
        actor=by(by_whom) if by_whom else ACTOR,
        now=LATER,
    )


def policy_for_write_offs(**changes: Any) -> None:
    """One compliance officer agrees to each."""
    values = {"role": Role.COMPLIANCE_OFFICER} | changes
    add_policy(action=ACTION, values=values, actor=ACTOR, now=NOW, reason="rules")


def asked_off(found: Break, maker: User | None = None, request_id: str = "") -> ApprovalRequest:
    """An admin asks to write it off."""
    return ask_write_off(
        break_id=found.pk,
        request_id=request_id or uuid.uuid4().hex,
        reason="a fee that we pay",
        actor=by(maker or make_user(Role.ADMIN)),
        now=LATER,
    )


def decided(
    approval: ApprovalRequest, *, by_whom: User | None = None, approve: bool = True
) -> ApprovalRequest:
    """An officer decides."""
    checker = by_whom or make_user(Role.COMPLIANCE_OFFICER)
    return decide(
        approval_id=approval.pk, approve=approve, actor=by(checker), now=LATER, reason="looked at it"
    )


def client_deposit(
    source: StatementSource, amount: str | int, *, reference: str, request_id: str
) -> Transfer:
    """A deposit that a client asked for, with the bank's reference as its evidence."""
    account = client_account(asset=asset_of(source))
    money = ask_money(MoneyKind.DEPOSIT, account, amount, request_id, reference=reference).request
    assert money.transfer_id is not None
    return Transfer.objects.get(pk=money.transfer_id)


def picture() -> object:
    """Everything that importing, matching and writing off could change."""
    models = (Transfer, FundingRequest, AuditRecord, ApprovalRequest, ApprovalDecision, StatementSource,
              ImportedStatement, StatementBalance, StatementLine, StatementUpload, Match, Undoing,
              ReconciliationRun)  # fmt: skip
    return (
        everything_stored(),
        [model._default_manager.count() for model in models],
        sorted(MatchLeg.objects.values_list("id", "undone")),
        sorted(Break.objects.values_list("id", "state", "assignee", "approval")),
        sorted(ApprovalRequest.objects.values_list("id", "state")),
    )


def refused(act: Callable[[], Any]) -> Refusal:
    """The refusal of what must change nothing."""
    before = picture()
    with pytest.raises(Refusal) as caught:
        act()
    assert picture() == before
    return caught.value


def proven() -> None:
    """All rules of money and of reconciliation hold."""
    assert [finding for finding in check_all(only=RULES) if not finding.holds] == []


def lived_bank(asset: Asset | None = None, *, now: datetime = LATER) -> StatementSource:
    """A bank whose statement was matched, in part undone, and left breaks, one of which was written off."""
    source = make_source(*([asset] if asset else []))
    account = account_at(source)
    for number in range(3):
        paid_in(account, 100 + number, request_id=f"lived-{source.pk}-{number}")
    told = [row(f"L{number}", 100 + number, ours=f"lived-{source.pk}-{number}") for number in range(2)]
    code = asset_of(source).code
    take(source, *told, row("L2", "-7.50"), row("L3", 9), closing={code: Decimal("202.50")}, now=now)
    newest = Match.objects.filter(source=source).order_by("-pk")[0]
    undo(match_id=newest.pk, reason="another's money", actor=ACTOR, now=now)
    rematch(actor=ACTOR, now=now, source_id=source.pk)
    policy_for_write_offs()
    decided(asked_off(Break.objects.get(source=source, line__reference="L2")))
    uploaded(source, row("L4", 12), now=now)
    return source


def uploaded(source: StatementSource, *rows: str, now: datetime = LATER) -> StatementUpload:
    """A file of these rows that waits to be imported."""
    return upload(
        source_id=source.pk,
        file=io.BytesIO(statement(*rows)),
        file_name="march.csv",
        terms=Terms(),
        reason="the bank's monthly file",
        actor=ACTOR,
        now=now,
    )
