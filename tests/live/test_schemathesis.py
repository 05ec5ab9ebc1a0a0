"""A stranger reads the OpenAPI document of the running platform and tries what it allows and what it forbids.

Schemathesis calls every operation as people of several roles: no answer may be a fault of ours, have a
status, a media type or a header that the document does not say, or a body that does not fit. How many
cases it makes of each operation is SCHEMATHESIS_CASES.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import RateTier, Role, User
from orders.models import KillEffect
from risk.models import KillStage, KillSwitch
from tests.factories import make_user, tokens_of
from tests.orders.killing import step
from tests.running import Platform
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.config import BASE_DIR

pytestmark = pytest.mark.live

_CASES = os.environ.get("SCHEMATHESIS_CASES", "3")
_SECONDS = 60 * int(_CASES)
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.fixture
def unlimited(platform: Platform) -> RateTier:
    """A tier that does not bite: what is tried here is not how often one may call."""
    most = 2_000_000_000
    limits = {"calls_1m": most, "orders_10s": most, "orders_1d": most}
    return RateTier.objects.get_or_create(name="schemathesis", defaults=limits)[0]


@pytest.fixture
def reopened(platform: Platform) -> Iterator[None]:
    """What an admin's calls have stopped is released again, as two people do it: others trade here too."""
    yield
    for switch in KillSwitch.objects.exclude(stage=KillStage.OPEN):
        due = KillEffect.objects.filter(act__switch=switch, position__isnull=True)
        wait_for(lambda due=due: not due.exists(), "the stop to be in effect")  # type: ignore[misc]
        while not switch.is_open:
            step(switch)
            switch.refresh_from_db()


@pytest.mark.usefixtures("reopened")
@pytest.mark.timeout(_SECONDS + 60)
@pytest.mark.parametrize("role", [None, Role.TRADER, Role.ADMIN])
def test_every_operation_answers_as_the_document_says(
    role: Role | None, platform: Platform, unlimited: RateTier, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{platform.base_url}/api/schema"),
            *("--checks", ",".join(_CHECKS), "--phases", "fuzzing", "--max-examples", _CASES),
            *("--seed", "1", "--no-shrink", "--continue-on-failure", "--warnings", "off", "--no-color"),
            *("--generation-database", "none", "--suppress-health-check", "all"),
            *("--report-json-path", str(report)),
            *([] if role is None else _credentials(role, unlimited)),
        ],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert report.exists(), done.stdout[-4_000:] + done.stderr[-4_000:]
    told: dict[str, Any] = json.loads(report.read_text())
    operations, cases = told["operations"], told["test_cases"]
    print(  # noqa: T201 - the figures are what it is run for
        f"\nschemathesis as {role or 'nobody'}: operations {operations['tested']} of {operations['total']},"
        f" cases {cases['generated']}, failures {cases['with_failures'] + cases['errored']}"
    )
    assert (done.returncode, operations["tested"]) == (0, operations["total"]), done.stdout[-8_000:]


def _credentials(role: Role, tier: RateTier) -> list[str]:
    user = make_user(role)
    User.objects.filter(pk=user.pk).update(rate_tier=tier)
    return ["--header", f"Authorization: Bearer {tokens_of(user).access}"]
