"""Pages of a platform on which nothing happened yet say what to do."""

from __future__ import annotations

from typing import Any

import pgtrigger
import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from risk.models import KillSwitch
from tests.admin.registry import MODELS, address


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label_lower)
def test_says_what_to_do_when_empty(model: Any, boss: Client) -> None:
    # The boss is a person and was hired: these two lists are never empty, but may find nothing.
    searched = {"accounts.user": "?q=nobody", "audit.auditrecord": "?actor=nobody"}
    # The global switch comes with the schema; where it is missing, somebody has to be told.
    with pgtrigger.ignore("risk.KillSwitch:never_deleted"):
        KillSwitch.objects.all().delete()
    query = searched.get(model._meta.label_lower, "")

    answer = boss.get(address(model, "changelist") + query)

    assert answer.status_code == 200
    page: Any = admin.site._registry[model]
    expected = "Nothing matches." if query else page.when_empty
    assert escape(expected) in answer.content.decode()


def test_dashboard_opens_on_an_empty_platform(boss: Client) -> None:
    answer = boss.get(reverse("admin:index"))

    assert answer.status_code == 200
    assert [chart["peak"] for chart in answer.context["charts"]] == ["0", "0"]
