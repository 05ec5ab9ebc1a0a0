#!/usr/bin/env python
"""Django's command line. Starts the embedded servers first when no others are configured."""

import os
import sys

from tradeplatform.common.console import while_read
from tradeplatform.config import ConfigurationError
from tradeplatform.supervisor.program import ProgramFailedError
from tradeplatform.supervisor.servers import servers_for_command


def main() -> None:
    """Run one management command against the configured servers, or against the checkout's own."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeplatform.settings")
    if sys.argv[1:2] == ["up"]:
        # The supervisor only watches: it stays small by never loading Django.
        from tradeplatform.supervisor.up import main as up  # noqa: PLC0415 - imported where Django is not

        sys.exit(up(sys.argv[2:]))
    with servers_for_command(sys.argv):
        # Only now: settings are read on import, and need the addresses.
        from django.core.management import execute_from_command_line  # noqa: PLC0415

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    try:
        with while_read():
            main()
    except (ConfigurationError, ProgramFailedError) as error:
        sys.exit(str(error))
