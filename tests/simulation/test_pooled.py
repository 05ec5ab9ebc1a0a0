"""What the runbook prints for PgBouncer is what `faults/pooled.py` runs, and is what PgBouncer reads."""

from __future__ import annotations

import re
from pathlib import Path

from tests.simulation.faults.pooled import configured


def test_the_runbooks_configuration_is_one_that_pgbouncer_reads() -> None:
    """A comment is a line of its own; behind a value it would be taken for a part of that."""
    lines = configured(server=5433, port=6433, users=Path("/somewhere/users"), size=3).splitlines()

    settings = [line for line in lines if not line.startswith((";", "["))]
    assert [line for line in settings if not re.fullmatch(r"[a-z_]+ =( [^;#]+)?", line)] == []
    assert "tradeplatform = host=127.0.0.1 port=5433" in settings
    assert {"listen_port = 6433", "auth_file = /somewhere/users", "default_pool_size = 3"} <= set(settings)
    assert "pool_mode = transaction" in settings
