"""Fixtures of reconciliation."""

from __future__ import annotations

import pytest

from accounts.reconciliation.models import StatementSource
from tests.reconciliation.banking import make_source


@pytest.fixture
def source(db: None) -> StatementSource:
    """A bank with one asset."""
    return make_source()
