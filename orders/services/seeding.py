"""Seed the platform in one transaction: shards, assets, instruments, books and, where wanted, people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction

from accounts.models import KycLimit, TradingAccount, TradingGroup, User, UserRole
from accounts.reconciliation.models import StatementSource
from accounts.reconciliation.services.seeding import seed_bank
from accounts.services.limits import seed_limits
from accounts.services.rates import seed_tiers
from accounts.services.seeding import Login, PeopleSeeded, remember_logins, seed_groups, seed_people
from audit.actor import Actor
from audit.models import ApprovalPolicy
from audit.services.policies import seed_policies
from audit.services.recording import record
from instruments.models import Asset, Instrument, Quote
from instruments.selectors import rules_by_id
from instruments.services.seeding import seed_assets, seed_instruments, seed_quotes
from orders.models import Book, Shard
from orders.services.book_refs import books_for
from tradeplatform.common.db import run_alone

SHARDS = (1, 2)
ACTOR = Actor.system("seed")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of each kind; opening deposits are only counted as they are made."""

    shards: int = 0
    assets: int = 0
    instruments: int = 0
    books: int = 0
    groups: int = 0
    policies: int = 0
    limits: int = 0
    quotes: int = 0
    users: int = 0
    roles: int = 0
    accounts: int = 0
    deposits: int = 0
    sources: int = 0


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was added, what there is now, and the logins that were generated."""

    added: Counts
    total: Counts
    logins: list[Login]


def seed(*, now: datetime, logins_file: Path, with_people: bool, dry_run: bool = False) -> Seeded:
    """Add what is missing; running it again adds nothing and changes nothing that an operator has changed.

    Without `with_people` there are no users, accounts or money, and no made-up quotes: what a real venue
    starts with.
    A dry run does it all and takes it back.
    """
    with transaction.atomic():
        run_alone("seed")
        shards, assets, instruments, books = _seed_market()
        policies, limits = seed_policies(), seed_limits()
        seed_tiers()
        groups, quotes = seed_groups(), seed_quotes(now=now) if with_people else 0
        people = seed_people(actor=ACTOR, now=now) if with_people else PeopleSeeded([], 0, 0, 0)
        sources = seed_bank(actor=ACTOR, now=now) if with_people else 0
        added = Counts(
            shards=shards,
            assets=assets,
            instruments=instruments,
            books=books,
            groups=groups,
            policies=policies,
            limits=limits,
            quotes=quotes,
            users=len(people.logins),
            roles=people.roles,
            accounts=people.accounts,
            deposits=people.deposits,
            sources=sources,
        )
        if added != Counts():
            record(
                actor=ACTOR,
                action="platform.seed.apply",
                target_type="platform",
                target_id=1,
                target_label="seed data",
                after=asdict(added),
                now=now,
            )
        seeded = Seeded(added, _total(), people.logins)
        if dry_run:
            transaction.set_rollback(True)
        else:
            # Before the commit: a file without its users is mended by the next run, users whose
            # passwords nobody knows are not.
            remember_logins(logins_file, people.logins)
    return seeded


def _seed_market() -> tuple[int, int, int, int]:
    known = set(Shard.objects.values_list("id", flat=True))
    shards = Shard.objects.bulk_create(Shard(id=number) for number in SHARDS if number not in known)
    assets, instruments = seed_assets(), seed_instruments()
    return len(shards), assets, instruments, open_missing_books()


def open_missing_books() -> int:
    """Give every instrument its book, dealt out over the shards; returns how many were opened."""
    missing = list(
        Instrument.objects.exclude(id__in=Book.objects.values("instrument_id")).values_list("id", flat=True)
    )
    books_for(rules_by_id(missing).values())
    return len(missing)


def _total() -> Counts:
    return Counts(
        shards=Shard.objects.count(),
        assets=Asset.objects.count(),
        instruments=Instrument.objects.count(),
        books=Book.objects.count(),
        groups=TradingGroup.objects.count(),
        policies=ApprovalPolicy.objects.count(),
        limits=KycLimit.objects.count(),
        quotes=Quote.objects.count(),
        users=User.objects.count(),
        roles=UserRole.objects.count(),
        accounts=TradingAccount.objects.count(),
        sources=StatementSource.objects.count(),
    )
