"""Makes our site the admin's own, without loading its pages: only the process that serves them does."""

from __future__ import annotations

from django.contrib.admin.apps import SimpleAdminConfig


class BackOfficeConfig(SimpleAdminConfig):
    """Django's admin with our site."""

    default_site = "tradeplatform.backoffice.site.BackOfficeSite"
