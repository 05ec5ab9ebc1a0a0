"""Each run imports the tests that it is for, and no test lies where no run would find it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_ignore_collect, pytest_itemcollected

HERE = Path(__file__).parent
LIVE = {HERE / name for name in ("clients", "live", "screens")}


def taken_in(marks: str) -> set[Path]:
    """What a run with these marks looks into."""
    config: Any = SimpleNamespace(known_args_namespace=SimpleNamespace(markexpr=marks))
    return {path for path in HERE.iterdir() if not pytest_ignore_collect(path, config)}


def item(place: str, *marks: str) -> Any:
    """A collected test of a file under tests."""
    return SimpleNamespace(
        path=HERE / place, nodeid=place, get_closest_marker=lambda name: name if name in marks else None
    )


def test_the_live_run_takes_in_the_live_tests_alone() -> None:
    assert taken_in("live") == LIVE


@pytest.mark.parametrize("marks", ["", "not live"])
def test_any_other_run_takes_in_all_but_them(marks: str) -> None:
    assert taken_in(marks) == set(HERE.iterdir()) - LIVE


@pytest.mark.parametrize("place", ["live/test_web.py", "screens/test_alerts.py", "clients/test_ccxt.py"])
def test_a_test_among_the_live_ones_that_is_none_stops_the_run(place: str) -> None:
    pytest_itemcollected(item(place, "live"))

    with pytest.raises(pytest.UsageError, match=place):
        pytest_itemcollected(item(place))


def test_a_live_test_elsewhere_stops_the_run() -> None:
    pytest_itemcollected(item("orders/test_intake.py"))

    with pytest.raises(pytest.UsageError, match=r"orders/test_intake\.py"):
        pytest_itemcollected(item("orders/test_intake.py", "live"))
