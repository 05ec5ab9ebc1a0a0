"""What the console shows of the children: what a person should look at, and nothing else."""

from __future__ import annotations

import pytest

from tradeplatform.supervisor.console import Console


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-28T17:21:19.116407Z [info     ] request_started [django_structlog] ip=127.0.0.1",
        "2026-11-28T17:21:19.116407Z [\x1b[32m\x1b[1minfo     \x1b[0m] \x1b[1mdrained\x1b[0m commands=2",
        '{"shard": 1, "event": "drained", "level": "info"}',
        "2026-11-28T17:21:19.116407Z [debug    ] something",
    ],
)
def test_what_is_ordinary_stays_in_the_files(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    Console().line("web", line)

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-28T17:21:19.116407Z [warning  ] wake_failed [orders.services.wake] shard=1",
        "2026-11-28T17:21:19.116407Z [error    ] shard_stopped shard=1 reason='[info] is not a level here'",
        '{"event": "wake_failed", "level": "warning"}',
        "Traceback (most recent call last):",
    ],
)
def test_warnings_and_what_nobody_graded_are_shown(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    Console().line("web", line)

    assert line in capsys.readouterr().out
