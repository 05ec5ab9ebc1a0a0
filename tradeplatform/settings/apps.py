"""Which apps and middleware there are, and in which order."""

from __future__ import annotations

from typing import Any

INSTALLED_APPS = [
    # Its templates replace the admin's, so it comes first. Basic: the site is ours.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    # Without autodiscovery: only the process that serves the admin loads its pages (see urls.py).
    "tradeplatform.backoffice.apps.BackOfficeConfig",
    # Its createsuperuser and changepassword replace those of the next.
    "accounts",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "axes",
    "corsheaders",
    "csp",
    "pgtrigger",
    "django_structlog",
    "channels",
    # Ours, lowest floor first.
    "django_partition",
    "audit",
    "instruments",
    "accounts.reconciliation",
    "risk",
    "liquidity",
    "orders",
    "orders.history",
    "orders.market",
    "tradeplatform.system",
    "tradeplatform",
]

MIDDLEWARE = [
    "tradeplatform.middleware.WholeBodyMiddleware",
    "tradeplatform.health.HealthMiddleware",
    "tradeplatform.system.scraping.ScrapeMiddleware",
    "tradeplatform.system.requests.RequestCountMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tradeplatform.middleware.CorrelationMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "orders.market.api.door.MarketDoorMiddleware",
    "tradeplatform.middleware.RequestLogMiddleware",
    "csp.middleware.CSPMiddleware",
    "tradeplatform.middleware.AddressLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "accounts.reconciliation.too_large.TooLargeFileMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Last, as axes asks: it turns a lockout raised below it into an answer.
    "axes.middleware.AxesMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
