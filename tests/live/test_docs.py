"""The documents say what works: every command in their `sh` blocks runs, and the quickstart trades."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import AccountType, ApiKey
from instruments.models import Asset, Instrument
from orders.models import OrderType, Side, Source
from orders.services.intake import submit_order
from orders.services.requests import NewOrder
from tests.factories import ACTOR, fund, make_account
from tests.servers import Platform

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "docs/handbook.md", "docs/runbook.md", "docs/replay.md"]


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of one language in a document."""
    text = (ROOT / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every line of every `sh` block, comments left out; long lines may go on after a backslash."""
    found = []
    for document in DOCUMENTS:
        for block in blocks(document, "sh"):
            lines = block.replace("\\\n", " ").splitlines()
            found += [line.split(" # ")[0].strip() for line in lines if line and not line.startswith("#")]
    return sorted(set(found))


@pytest.mark.parametrize("command", commands())
def test_the_command_runs(command: str, platform: Platform, tmp_path: Path) -> None:
    words = shlex.split(command)
    assert words[:2] == [".venv/bin/python", "manage.py"], "sh blocks hold manage.py commands alone"
    (tmp_path / "flow.csv").write_text(SAMPLE_FLOW)
    words = [sys.executable, str(ROOT / "manage.py"), *words[2:]]

    done = subprocess.run(
        words,
        cwd=tmp_path,
        env={
            **os.environ,
            **platform.environment,
            "DJANGO_SETTINGS_MODULE": "tradeplatform.settings",
            "TRADEPLATFORM_VAR_DIR": str(platform.var_dir),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert done.returncode == 0, done.stdout + done.stderr


SAMPLE_FLOW = """time,action,id,side,price,quantity
2026-01-02T10:00:00.000000Z,new,a,sell,250.10,0.5
2026-01-02T10:00:01.000000Z,new,b,buy,250.10,0.2
2026-01-02T10:00:02.000000Z,cancel,a,sell,250.10,0
"""


def a_market_to_trade_in() -> None:
    """Somebody's bid and offer at the demo instrument of the documents."""
    instrument = Instrument.objects.get(symbol="BTCUSDT-DEMO")
    seller = make_account(currency=Asset.objects.get(code="USDT"), type=AccountType.DEMO)
    fund(seller, instrument.base, 1, now=timezone.now())
    price = instrument.reference_price + Decimal(1)
    for side, at in ((Side.SELL, price), (Side.BUY, price - Decimal(2))):
        fund(seller, instrument.quote, 100_000, now=timezone.now())
        order = NewOrder(
            account_id=seller.id,
            symbol="BTCUSDT-DEMO",
            side=side,
            type=OrderType.LIMIT,
            quantity=Decimal("0.01"),
            price=at,
        )
        submit_order(order=order, actor=ACTOR, source=Source.API, now=timezone.now())


def run_as_demo(document: str, platform: Platform, **more: str) -> subprocess.CompletedProcess[str]:
    """The program of a document as the document says to run it, at the running platform."""
    logins = json.loads((platform.var_dir / "operator.json").read_text())["logins"]
    (program,) = blocks(document, "python")
    return subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "TRADE_URL": platform.base_url,
            "TRADE_SOCKET": platform.ws_url,
            "TRADE_USER": "demo",
            "TRADE_PASSWORD": logins["demo"]["password"],
            **more,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_quickstart_logs_in_subscribes_trades_and_reads_its_fill(platform: Platform) -> None:
    a_market_to_trade_in()

    done = run_as_demo("docs/quickstart.md", platform)

    assert done.returncode == 0, done.stderr
    assert "bought 0.001000 at " in done.stdout


@pytest.mark.parametrize("document", ["docs/quickstart.md", "docs/security.md"])
def test_a_wrong_password_ends_a_program_with_its_sentence(document: str, platform: Platform) -> None:
    done = run_as_demo(document, platform, TRADE_PASSWORD="wrong")

    assert done.returncode == 1
    assert done.stderr == "The name or the password is wrong, or this login is closed.\n"


def test_a_key_is_made_places_amends_cancels_and_is_revoked(platform: Platform) -> None:
    a_market_to_trade_in()

    done = run_as_demo("docs/security.md", platform)

    assert (done.returncode, done.stdout) == (0, "cancelled\n"), done.stderr
    assert ApiKey.objects.filter(account__user__username="demo", revoked_at__isnull=True).count() == 0
