"""A fresh market at the running platform, and two people with keys who come to it with strange clients."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import Scope
from accounts.services.key_issuing import KeyWish, create_key
from audit.actor import Actor
from tests.factories import make_asset, tag
from tests.live.desk import Desk, Trader
from tests.running import Platform

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Strangers leave sockets to the garbage collector, which is no fault of ours."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(autouse=True)
def _leftovers() -> Iterator[None]:
    """Collect them here, and not in the middle of another test."""
    yield
    gc.collect()


@dataclass(frozen=True, slots=True)
class Person:
    """A trader, and the key that their client has."""

    trader: Trader
    key: str
    secret: str


@pytest.fixture
def desk(platform: Platform) -> Iterator[Desk]:
    """An empty book around 50000 with a symbol that any client can spell."""
    name = tag()
    with Desk(
        platform,
        symbol=f"B{name}Q",
        base=make_asset(code=f"B{name}", decimals=8),
        quote=make_asset(code=f"Q{name}", decimals=8),
    ) as desk:
        yield desk


def person(desk: Desk) -> Person:
    """Somebody with money and a key that may read and trade."""
    trader = desk.trader(base=100, quote=10_000_000)
    issued = create_key(
        KeyWish(account_id=trader.account, label="bot", scopes=frozenset({Scope.READ, Scope.TRADE})),
        actor=Actor.system("test"),
        now=timezone.now(),
    )
    return Person(trader, issued.key.key_id, issued.secret)


@pytest.fixture
def alice(desk: Desk) -> Person:
    """100 of the base asset and 10,000,000 of the quote asset."""
    return person(desk)


@pytest.fixture
def bob(desk: Desk) -> Person:
    """The same, another person."""
    return person(desk)
