"""What banks and custodians say of our money, what of it is known to us, and what is not."""

from accounts.reconciliation.models.breaks import Break, BreakKind, BreakState, ReconciliationRun
from accounts.reconciliation.models.matching import Match, MatchLeg, Rule, Undoing
from accounts.reconciliation.models.source import (
    DateFormat,
    DecimalMark,
    Delimiter,
    SourceLedger,
    StatementSource,
)
from accounts.reconciliation.models.statement import (
    ImportedStatement,
    StatementBalance,
    StatementLine,
    StatementUpload,
)

__all__ = [
    "Break",
    "BreakKind",
    "BreakState",
    "DateFormat",
    "DecimalMark",
    "Delimiter",
    "ImportedStatement",
    "Match",
    "MatchLeg",
    "ReconciliationRun",
    "Rule",
    "SourceLedger",
    "StatementBalance",
    "StatementLine",
    "StatementSource",
    "StatementUpload",
    "Undoing",
]
