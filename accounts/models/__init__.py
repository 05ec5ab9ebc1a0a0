"""People, trading accounts and the ledger."""

from accounts.models.account import AccountType, TradingAccount
from accounts.models.ledger import (
    CLIENTS,
    FundingRequest,
    LedgerAccount,
    LedgerKind,
    Transfer,
    TransferKind,
)
from accounts.models.user import KycStatus, Role, User, UserRole

__all__ = [
    "CLIENTS",
    "AccountType",
    "FundingRequest",
    "KycStatus",
    "LedgerAccount",
    "LedgerKind",
    "Role",
    "TradingAccount",
    "Transfer",
    "TransferKind",
    "User",
    "UserRole",
]
