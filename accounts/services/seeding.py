"""The people and accounts a fresh platform starts with, and the file that keeps their generated passwords."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth.hashers import make_password

from accounts.models import (
    AccountType,
    Execution,
    KycStatus,
    PositionMode,
    Role,
    TradingGroup,
    User,
    UserRole,
)
from accounts.permissions import STAFF_ROLES
from accounts.services.opening import Opening, open_accounts, open_users
from audit.actor import Actor
from instruments.models import Asset
from tradeplatform.common.db import require_transaction


@dataclass(frozen=True, slots=True)
class Login:
    """A person's generated password, known in clear only when the person is created."""

    username: str
    email: str
    password: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeopleSeeded:
    """What seeding people has added."""

    logins: list[Login]
    roles: int
    accounts: int
    deposits: int


class _Person(NamedTuple):
    username: str
    email: str
    first_name: str
    last_name: str
    roles: tuple[Role, ...]
    approved: bool = True


_OPERATOR = "admin"
_PEOPLE = (
    _Person(_OPERATOR, "admin@tradingengine.com", "Admin", "User", (Role.SUPER_ADMIN, Role.RISK_MANAGER)),
    # Who decides about what the operator asks for: nobody approves their own acts.
    _Person(
        "officer",
        "officer@example.com",
        "Olga",
        "Officer",
        (Role.COMPLIANCE_OFFICER, Role.RISK_MANAGER),
    ),
    _Person("trader1", "trader1@example.com", "John", "Trader", (Role.TRADER,)),
    _Person("trader2", "trader2@example.com", "Jane", "Trader", (Role.TRADER,)),
    _Person("demo", "demo@example.com", "Demo", "User", (Role.USER,), approved=False),
)

# No account's leverage is above its own maximum: the usual maximum of 100 is raised where it must be.
# The demo account can trade both ways in the USDT pairs at once: it has Tether, and coins to sell.
_ACCOUNTS = (
    Opening(
        "ACC-000001", "trader1", AccountType.LIVE, "USD", 100, 100, (("USD", Decimal(10_000)),), "Standard"
    ),
    Opening(
        "ACC-000002", "trader2", AccountType.LIVE, "USD", 200, 200, (("USD", Decimal(25_000)),), "Premium"
    ),
    Opening(
        "ACC-000003", "trader1", AccountType.MARGIN, "USD", 50, 100, (("USD", Decimal(50_000)),), "Standard"
    ),
    Opening(
        "ACC-DEMO-001",
        "demo",
        AccountType.DEMO,
        "USD",
        500,
        500,
        (
            ("USD", Decimal(100_000)),
            ("USDT", Decimal(100_000)),
            ("BTC", Decimal(2)),
            ("ETH", Decimal(20)),
            ("SOL", Decimal(200)),
        ),
        "Premium",
    ),
)


class _Terms(NamedTuple):
    name: str
    execution: Execution
    markup_steps: int
    dollars_per_contract: int
    max_leverage: int


# A price step of a currency pair is a tenth of a pip.
_GROUPS = (
    _Terms("Standard", Execution.B_BOOK, 5, 5, 100),
    _Terms("Premium", Execution.A_BOOK, 2, 3, 500),
    _Terms("VIP", Execution.A_BOOK, 0, 2, 1000),
)


def seed_groups() -> int:
    """Create the trading groups that are missing; returns how many. An operator's changes stay.

    Must run alone, inside a transaction, after the assets.
    """
    require_transaction()
    known = set(TradingGroup.objects.values_list("name", flat=True))
    dollar = Asset.objects.get(code="USD")
    return len(
        TradingGroup.objects.bulk_create(
            TradingGroup(
                name=terms.name,
                execution=terms.execution,
                markup_steps=terms.markup_steps,
                commission_asset=dollar,
                commission_per_contract=Decimal(terms.dollars_per_contract),
                max_leverage=terms.max_leverage,
                position_mode=PositionMode.HEDGING,
            )
            for terms in _GROUPS
            if terms.name not in known
        )
    )


def seed_people(*, actor: Actor, now: datetime) -> PeopleSeeded:
    """Create the users, roles and accounts that are missing, with generated passwords and first deposits.

    Must run alone, inside a transaction. A person who exists keeps their password, and their roles as
    an administrator has left them.
    """
    logins = _new_logins()
    created = open_users(
        [_user(person, logins[person.username]) for person in _PEOPLE if person.username in logins]
    )
    ids = {user.username: user.id for user in created}
    admin_id = User.objects.values_list("id", flat=True).get(username=_OPERATOR)
    roles = UserRole.objects.bulk_create(
        UserRole(user_id=ids[person.username], role=role, granted_by_id=admin_id)
        for person in _PEOPLE
        if person.username in ids
        for role in person.roles
    )
    accounts, deposits = open_accounts(_ACCOUNTS, actor=actor, now=now, reason="Opening balance")
    return PeopleSeeded(list(logins.values()), len(roles), accounts, deposits)


def _new_logins() -> dict[str, Login]:
    known = set(
        User.objects.filter(username__in=[p.username for p in _PEOPLE]).values_list("username", flat=True)
    )
    return {
        person.username: Login(
            person.username,
            person.email,
            secrets.token_urlsafe(18),
            tuple(role.value for role in person.roles),
        )
        for person in _PEOPLE
        if person.username not in known
    }


def _user(person: _Person, login: Login) -> User:
    return User(
        username=person.username,
        email=person.email,
        first_name=person.first_name,
        last_name=person.last_name,
        password=make_password(login.password),
        kyc_status=KycStatus.APPROVED if person.approved else KycStatus.PENDING,
        kyc_level=1 if person.approved else 0,
        is_verified=person.approved,
        is_staff=bool(STAFF_ROLES.intersection(person.roles)),
        is_superuser=Role.SUPER_ADMIN in person.roles,
    )


def remember_logins(path: Path, logins: Sequence[Login]) -> None:
    """Add logins to the file, readable by its owner alone; a name that is there already is replaced.

    The operator's own login stands at the top, where `manage.py up` finds it.
    """
    if not logins:
        return
    kept = read_logins(path) | {login.username: login for login in logins}
    operator = kept.get(_OPERATOR)
    content = {
        "username": operator.username if operator else None,
        "password": operator.password if operator else None,
        "logins": {name: asdict(login) for name, login in kept.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(content, indent=2) + "\n")
    fresh.rename(path)


def read_logins(path: Path) -> dict[str, Login]:
    """The generated logins by username; empty when there is no file."""
    if not path.is_file():
        return {}
    rows = json.loads(path.read_text())["logins"]
    return {name: Login(**(row | {"roles": tuple(row["roles"])})) for name, row in rows.items()}
