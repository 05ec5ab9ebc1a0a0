"""People, trading accounts, their keys and secrets, and the ledger."""

from accounts.models.account import AccountType, TradingAccount
from accounts.models.api_key import ApiKey, KeyKind, Scope
from accounts.models.closing import ClosedMonth, ClosingBalance
from accounts.models.desk_session import DeskSession
from accounts.models.group import (
    Execution,
    GroupInstrument,
    LeverageRegime,
    MarginMethod,
    PositionMode,
    TradingGroup,
)
from accounts.models.ledger import (
    CLIENTS,
    FundingRequest,
    LedgerAccount,
    LedgerKind,
    Transfer,
    TransferKind,
)
from accounts.models.money import KycLimit, MoneyKind, MoneyRequest, MoneyState
from accounts.models.position import Deal, DealKind, DealRequest, Direction, Position, SwapCharge
from accounts.models.proof import ProofRun
from accounts.models.resetting import DemoReset, ResetState
from accounts.models.second_factor import (
    Ceremony,
    Passkey,
    PasskeyChallenge,
    RecoveryCode,
    SecondFactor,
)
from accounts.models.secret import Purpose, Secret
from accounts.models.session import Session, SessionEnd
from accounts.models.tier import RateTier
from accounts.models.user import KycStatus, Role, User, UserRole

__all__ = [
    "CLIENTS",
    "AccountType",
    "ApiKey",
    "Ceremony",
    "ClosedMonth",
    "ClosingBalance",
    "Deal",
    "DealKind",
    "DealRequest",
    "DemoReset",
    "DeskSession",
    "Direction",
    "Execution",
    "FundingRequest",
    "GroupInstrument",
    "KeyKind",
    "KycLimit",
    "KycStatus",
    "LedgerAccount",
    "LedgerKind",
    "LeverageRegime",
    "MarginMethod",
    "MoneyKind",
    "MoneyRequest",
    "MoneyState",
    "Passkey",
    "PasskeyChallenge",
    "Position",
    "PositionMode",
    "ProofRun",
    "Purpose",
    "RateTier",
    "RecoveryCode",
    "ResetState",
    "Role",
    "Scope",
    "SecondFactor",
    "Secret",
    "Session",
    "SessionEnd",
    "SwapCharge",
    "TradingAccount",
    "TradingGroup",
    "Transfer",
    "TransferKind",
    "User",
    "UserRole",
]
