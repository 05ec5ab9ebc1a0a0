"""A platform of one's own, as `make run` starts it, whose database this process sees."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.running import Platform, start_platform, stop_platform

#: What one machine's clients may ask is no limit here: it is measured.
SETTINGS = {
    "TRADEPLATFORM_ADDRESS_CALLS_1M": "100000000",
    "TRADEPLATFORM_BINANCE_WEIGHT_1M": "100000000",
    "TRADEPLATFORM_LOG_LEVEL": "ERROR",
}


@contextmanager
def private_platform(settings: Mapping[str, str] | None = None) -> Iterator[Platform]:
    """Durable servers, two shard workers, web and sockets, without participants; Django set up on them."""
    with tempfile.TemporaryDirectory(prefix="tradeplatform-load-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        wanted = SETTINGS | dict(settings or {})
        process, platform = start_platform(folder, settings=wanted)
        try:
            os.environ |= environment_of(platform) | wanted
            import django  # noqa: PLC0415 - settings are read on import, so the environment comes first

            django.setup()
            yield platform
        finally:
            from django.db import connections  # noqa: PLC0415

            connections.close_all()
            stop_platform(process)


def environment_of(platform: Platform) -> dict[str, str]:
    """What a process needs to see the platform's database and Valkey."""
    return platform.environment | {
        "TRADEPLATFORM_VAR_DIR": str(platform.var_dir),
        "DJANGO_SETTINGS_MODULE": "tradeplatform.settings",
    }
