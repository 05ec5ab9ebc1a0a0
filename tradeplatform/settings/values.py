"""The configuration as the settings use it: a process that cannot have it ends with one sentence."""

from __future__ import annotations

import sys

from tradeplatform.config import Config, ConfigurationError, load_config


def _config_or_exit() -> Config:
    try:
        return load_config()
    except ConfigurationError as error:
        sys.exit(str(error))


config = _config_or_exit()
