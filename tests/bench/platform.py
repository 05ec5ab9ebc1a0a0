"""A throw-away platform for benches: durable PostgreSQL and Valkey in a private folder, migrated."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def throwaway_platform(*, durable: bool = True) -> Iterator[None]:
    """Servers with fsync on (a bench of promises kept), Django set up, tables made; all gone afterwards.

    Not `durable`: nothing is synced to disk, for who asks how much is done and not what survives.
    """
    with tempfile.TemporaryDirectory(prefix="tradeplatform-bench-") as folder:
        Path(folder).chmod(0o755)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tradeplatform.settings",
            "TRADEPLATFORM_VAR_DIR": folder,
            "TRADEPLATFORM_LOG_LEVEL": "ERROR",
        }
        import django  # noqa: PLC0415 - settings are read on import, so the environment comes first

        from tradeplatform.config import load_config  # noqa: PLC0415
        from tradeplatform.supervisor.servers import borrowed_servers  # noqa: PLC0415

        load_config.cache_clear()
        with borrowed_servers(load_config(), durable=durable) as environment:
            os.environ.update(environment)
            load_config.cache_clear()
            django.setup()
            from django.core.management import call_command  # noqa: PLC0415
            from django.db import connections  # noqa: PLC0415

            call_command("migrate", verbosity=0)
            call_command("partition", "apply", verbosity=0)
            try:
                yield
            finally:
                connections.close_all()
