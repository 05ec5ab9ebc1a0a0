"""A seeded platform, and recordings to replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from orders.services import books
from orders.services.seeding import SHARDS, Seeded, seed

BITSTAMP_HEADER = "id,timestamp,exchange.timestamp,price,volume,action,direction"


@pytest.fixture
def var_dir(settings: Settings, tmp_path: Path) -> Path:
    """A var folder of the test's own."""
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def seeded(db: None, var_dir: Path) -> Iterator[Seeded]:
    """The seed data; the engines of its shards are forgotten with the transaction that held them."""
    yield seed(now=timezone.now(), logins_file=var_dir / "operator.json", with_people=True)
    for shard_id in SHARDS:
        books.forget(shard_id)


@pytest.fixture
def bitstamp_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a Bitstamp file from rows of (id, milliseconds, price, satoshi, action, direction)."""

    def write(*rows: tuple[int, int, str, int, str, str], name: str = "orders.csv") -> Path:
        lines = [
            f"{i},{ms},{ms},{price},{volume},{action},{side}" for i, ms, price, volume, action, side in rows
        ]
        path = tmp_path / name
        path.write_text("\n".join([BITSTAMP_HEADER, *lines]) + "\n")
        return path

    return write
