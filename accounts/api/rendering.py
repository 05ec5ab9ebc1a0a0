"""How people, accounts, balances and ledger lines look outside."""

from __future__ import annotations

from typing import Any

from accounts.backends import roles_of
from accounts.models import LedgerAccount, Session, TradingAccount, User
from accounts.selectors import LedgerLine
from accounts.services.sessions import Tokens
from instruments.scaling import text
from tradeplatform.common.times import rfc3339


def tokens_json(tokens: Tokens) -> dict[str, Any]:
    """A pair of tokens."""
    return {
        "access": tokens.access,
        "refresh": tokens.refresh,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
    }


def person_json(user: User) -> dict[str, Any]:
    """The signed-in person."""
    return {
        "id": user.pk,
        "username": user.username,
        "email": user.email,
        "roles": sorted(str(role) for role in roles_of(user)),
    }


def session_json(session: Session, *, current: Session) -> dict[str, Any]:
    """An open session, as its owner sees it."""
    return {
        "id": session.sid,
        "current": session.sid == current.sid,
        "opened_at": rfc3339(session.opened_at),
        "renewed_at": rfc3339(session.renewed_at),
        "expires_at": rfc3339(session.expires_at),
        "ip": session.ip,
        "agent": session.agent,
    }


def account_json(account: TradingAccount) -> dict[str, Any]:
    """A trading account, as its owner sees it."""
    return {
        "id": account.pk,
        "account_number": account.account_number,
        "type": account.type,
        "currency": account.currency.code,
        "leverage": account.leverage,
        "is_active": account.is_active,
        "is_locked": account.is_locked,
        "created_at": rfc3339(account.created_at),
    }


def balance_json(row: LedgerAccount) -> dict[str, Any]:
    """A balance, in the feed's shape."""
    decimals = row.asset.decimals
    return {
        "asset": row.asset.code,
        "balance": text(row.balance, decimals),
        "held": text(row.held, decimals),
        "reserved": text(row.reserved, decimals),
        "available": text(row.available, decimals),
    }


def ledger_line_json(line: LedgerLine) -> dict[str, Any]:
    """One movement of money."""
    return {
        "id": str(line.transfer_id),
        "time": rfc3339(line.at),
        "kind": line.kind,
        "asset": line.asset,
        "amount": text(line.amount, line.decimals),
        "balance_after": text(line.balance_after, line.decimals),
        "order_id": None if line.order_id is None else str(line.order_id),
        "trade_id": None if line.trade_id is None else str(line.trade_id),
        "reason": line.reason,
    }
