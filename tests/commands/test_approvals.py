"""`manage.py approvals`: what waits, as a table and as JSON; what is over, ended when asked."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Role
from audit.models import ApprovalRequest
from tests.audit.naming import add_naming_policy, ask_for
from tests.factories import make_asset, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def waits() -> ApprovalRequest:
    """One that waits, and one whose time is over."""
    add_naming_policy()
    maker, now = make_user(Role.ADMIN), timezone.now()
    ask_for(make_asset(), maker, request_id="late", now=now - timedelta(days=2))
    approval = ask_for(make_asset(code="LETTERS"), maker, now=now)
    assert approval is not None
    return approval


def run(*options: str) -> str:
    out = StringIO()
    call_command("approvals", *options, stdout=out)
    return out.getvalue()


def as_json(*options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json", *options))
    return found


def test_lists_what_waits(waits: ApprovalRequest) -> None:
    shown = run()

    assert "LETTERS" in shown
    assert "0 of 1" in shown


def test_json_has_the_effect_and_the_terms(waits: ApprovalRequest) -> None:
    report = as_json()

    (row,) = report["waiting"]
    assert (report["expired"], row["id"], row["maker"]) == ([], waits.pk, waits.maker_label)
    assert row["effects"] == [["Name", "LETTERS", "LETTERS!"]]
    assert (row["approvals"], row["needed"], row["role"]) == (0, 1, "compliance_officer")


def test_ends_what_is_over_only_when_asked(waits: ApprovalRequest) -> None:
    as_json()
    assert ApprovalRequest.objects.filter(state="pending").count() == 2

    report = as_json("--expire")

    assert len(report["expired"]) == 1
    assert ApprovalRequest.objects.get(state="pending") == waits
