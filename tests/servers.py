"""Pytest plugin: gives a test run servers of its own before Django reads its settings.

An ordinary run gets a private PostgreSQL and Valkey on free ports in a folder of its own, unless
DATABASE_URL and REDIS_URL already name some. Workers of pytest-xdist share the PostgreSQL, each with a
database of its own in it, but not the Valkey: tests cut off all its subscribers and take its user's rights
away. `pytest -m live` gets a whole running platform instead, without participants, and its tests use that
platform's database.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.running import PATIENT, Platform, start_platform, stop_platform
from tradeplatform.config import load_config
from tradeplatform.supervisor.servers import EmbeddedServers, launched, stop_children

__all__ = ["Platform", "platform_key", "wants_platform"]

_cleanup = ExitStack()

#: All clients of the live tests call from one address.
_ROOM_FOR_ALL = {"TRADEPLATFORM_BINANCE_WEIGHT_1M": "1000000"}


platform_key = pytest.StashKey[Platform]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Run before pytest-django looks at the settings."""
    os.environ.setdefault("TRADEPLATFORM_ENVIRONMENT", "test")
    os.environ.update(PATIENT)
    if wants_platform(early_config):
        early_config.stash[platform_key] = _start_platform(_private_folder())
    elif not ("DATABASE_URL" in os.environ and "REDIS_URL" in os.environ):
        _start_servers(_private_folder(), with_valkey=not has_workers(early_config))
    load_config.cache_clear()
    return (yield)


def wants_platform(config: pytest.Config) -> bool:
    """Whether this is the run of the live tests."""
    return str(config.known_args_namespace.markexpr) == "live"


def has_workers(config: pytest.Config) -> bool:
    """Whether the tests run in workers of this process, which are told of the same options."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    return not is_worker and bool(getattr(config.known_args_namespace, "numprocesses", None))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop what this process started and remove its folder."""
    _cleanup.close()


def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tradeplatform-tests-"))
    # The servers may run as another account, which must reach its data.
    folder.chmod(0o755)
    _cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TRADEPLATFORM_VAR_DIR"] = str(folder)
    load_config.cache_clear()
    return folder


def _start_servers(folder: Path, *, with_valkey: bool) -> None:
    servers = EmbeddedServers(load_config(), durable=False)
    if not with_valkey:
        servers.valkey = None
    with launched(folder, follow_parent=True) as (launch, children):
        servers.start(launch)
    _cleanup.callback(stop_children, children)
    os.environ.update(servers.environment())


def _start_platform(folder: Path) -> Platform:
    try:
        process, platform = start_platform(folder, settings=_ROOM_FOR_ALL)
    except RuntimeError as error:
        pytest.exit(str(error), returncode=3)
    _cleanup.callback(stop_platform, process)
    os.environ.update(platform.environment)
    return platform
