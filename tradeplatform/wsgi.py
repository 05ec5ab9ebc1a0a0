"""Entry point of the HTTP processes: admin and API."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from tradeplatform.common.garbage import leave_out_what_is_loaded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradeplatform.settings")

application = get_wsgi_application()

# Load every page now, not in the first visitor's request: a process that answers is warm.
get_resolver().url_patterns  # noqa: B018 - the attribute does the work
leave_out_what_is_loaded()
