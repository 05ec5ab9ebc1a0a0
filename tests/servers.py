"""Pytest plugin: gives a test run servers of its own before Django reads its settings.

An ordinary run gets a private PostgreSQL and Valkey on free ports in a folder of its own, unless
DATABASE_URL and REDIS_URL already name some. Workers of pytest-xdist inherit the addresses.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tradeplatform.config import load_config
from tradeplatform.supervisor.servers import EmbeddedServers, launched, stop_servers

_pids: list[int] = []
_folder: Path | None = None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> object:
    """Run before pytest-django looks at the settings."""
    global _folder
    os.environ.setdefault("TRADEPLATFORM_ENVIRONMENT", "test")
    if not ("DATABASE_URL" in os.environ and "REDIS_URL" in os.environ):
        _folder = Path(tempfile.mkdtemp(prefix="tradeplatform-tests-"))
        _folder.chmod(0o755)
        os.environ["TRADEPLATFORM_VAR_DIR"] = str(_folder)
        load_config.cache_clear()
        servers = EmbeddedServers(load_config(), durable=False)
        with launched(_folder, follow_parent=True) as (launch, pids):
            servers.start(launch)
        _pids.extend(pids)
        os.environ.update(servers.environment())
        load_config.cache_clear()
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop what this process started and remove its folder."""
    stop_servers(_pids)
    _pids.clear()
    if _folder:
        shutil.rmtree(_folder, ignore_errors=True)
