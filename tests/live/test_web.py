"""A process that serves the API is killed: connections wait for the next one, and not for it to be loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from tests.running import Platform
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.config import BASE_DIR
from tradeplatform.supervisor.processes import read_records

pytestmark = pytest.mark.live


def test_a_killed_worker_is_replaced_faster_than_one_could_be_loaded(platform: Platform) -> None:
    master = psutil.Process(next(one.pid for one in read_records(platform.var_dir) if one.name == "web"))
    (worker,) = master.children()
    worker.kill()
    wait_for(lambda: worker not in master.children(), "the worker to be gone", seconds=30)

    began = time.monotonic()
    assert httpx.get(f"{platform.base_url}/api/v1/instruments", timeout=60).status_code == 200
    waited = time.monotonic() - began

    began = time.monotonic()
    load = [sys.executable, "-c", "import tradeplatform.wsgi"]
    environment = os.environ | platform.environment | {"DJANGO_SETTINGS_MODULE": "tradeplatform.settings"}
    subprocess.run(load, cwd=BASE_DIR, env=environment, check=True, timeout=120)
    assert waited < (time.monotonic() - began) / 2
