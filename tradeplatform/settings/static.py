"""Style sheets and scripts: collected and named by content in production, found in place elsewhere."""

from __future__ import annotations

from tradeplatform.config import BASE_DIR
from tradeplatform.settings.values import config

STATIC_URL = "/static/"
# `prepare` collects into it.
STATIC_ROOT = config.var_dir / "static" if config.is_production else None
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not config.is_production

_storage = "whitenoise.storage.CompressedManifestStaticFilesStorage"
_plain_storage = "django.contrib.staticfiles.storage.StaticFilesStorage"

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _storage if config.is_production else _plain_storage},
}
