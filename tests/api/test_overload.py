"""A web process that is asked ten times more than it can take, over real connections."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests.bench.bench_overload import measure
from tradeplatform.config import load_config


@pytest.mark.django_db(transaction=True)
def test_who_floods_is_refused_alone_and_each_promise_is_kept_once() -> None:
    url = load_config().database_url
    assert url
    tests_own = (
        urlsplit(url.get_secret_value())._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    )

    found = measure(5, {"DATABASE_URL": tests_own})

    assert found["other_answers"] == []
    assert found["polite_refused"] == 0
    assert found["flood_refused"] > found["flood_accepted"] > 0
    assert (found["each_once"], found["stored"]) == (True, found["acknowledged"])
    # What is refused is not kept: the first requests of all threads fill their caches, no more.
    assert found["memory_mb"]["most"] - found["memory_mb"]["begin"] < 50
