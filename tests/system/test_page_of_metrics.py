"""docs/metrics.md names every figure, with its kind, its labels and its meaning, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import make_market
from tradeplatform.common import metrics
from tradeplatform.config import BASE_DIR
from tradeplatform.system.scraping import Everything

PAGE = BASE_DIR / "docs" / "metrics.md"


def rows() -> Iterator[str]:
    """The table as it should be, a row for each family."""
    known: list[Any] = list(metrics.REGISTRY._collector_to_names)
    labels = {one._name: one._labelnames for one in known}
    for family in sorted(Everything(timezone.now()).collect(), key=lambda family: family.name):
        name = family.name + ("_total" if family.type == "counter" else "")
        named = labels.get(family.name, getattr(family, "_labelnames", ()))
        shown = " ".join(f"`{word}`" for word in (name, *named))
        yield f"| {shown} | {family.type} | {family.documentation} |"


@pytest.mark.django_db
def test_the_page_has_a_row_for_each_figure_and_no_other(client: Client) -> None:
    make_market()
    # With the address all that counts is loaded, as in the process that answers it.
    assert client.get("/metrics").status_code == 200
    written = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]

    assert written == list(rows())
