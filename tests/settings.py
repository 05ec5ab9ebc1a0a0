"""The project's settings, with the app that the tests of django_partition cut, and cheap passwords."""

from __future__ import annotations

from tradeplatform.settings import *  # noqa: F403 - everything else is as it runs
from tradeplatform.settings.apps import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "tests.django_partition.app"]
PASSWORD_HASHERS = ["tests.hashing.QuickArgon2"]
# Each test client makes the middleware anew, and WhiteNoise would look at every static file each time: like
# this it looks at one that is asked for.
WHITENOISE_AUTOREFRESH = True
