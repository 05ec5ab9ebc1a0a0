"""The floor that most tests of dealing stand on."""

from __future__ import annotations

import pytest

from tests.liquidity.floor import Floor, make_floor


@pytest.fixture
def floor(db: None) -> Floor:
    """Quoted markets; see make_floor."""
    return make_floor()
