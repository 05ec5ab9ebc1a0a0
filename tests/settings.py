"""The project's settings, and the app whose models the tests of django_partition cut by time."""

from __future__ import annotations

from tradeplatform.settings import *  # noqa: F403 - everything is as it runs, but for one app more
from tradeplatform.settings.apps import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "tests.django_partition.app"]
