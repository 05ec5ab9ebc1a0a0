"""Who may come in, from where, and what a browser may do with our pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from tradeplatform.settings.values import config

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    # Refuses a locked-out caller before the password is looked at.
    "axes.backends.AxesStandaloneBackend",
    "accounts.backends.RoleBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

#: Staff without a second factor cannot open the back office; nobody on the staff can turn theirs off.
OPERATORS_NEED_SECOND_FACTOR = config.operators_need_second_factor

#: Who passkeys are made for, and the pages they may be used at: browsers know no passkeys for bare addresses,
#: so a development machine is `localhost`.
WEBAUTHN_RP_ID = config.webauthn_rp_id or "localhost"
WEBAUTHN_ORIGINS = config.webauthn_origins or [f"http://localhost:{config.http_port}"]

# Locked by name and address together: a stranger cannot lock a colleague out of his own desk.
AXES_VERBOSE = False
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_HTTP_RESPONSE_CODE = 429
AXES_CLIENT_IP_CALLABLE = "tradeplatform.common.addresses.client_address"
AXES_LOCKOUT_CALLABLE = "tradeplatform.lockout.locked_out"

ALLOWED_HOSTS = config.allowed_hosts or ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = config.allowed_origins
CORS_ALLOWED_ORIGINS = config.allowed_origins
CORS_URLS_REGEX = r"^/api/"
CORS_EXPOSE_HEADERS = ["X-Correlation-ID", "Retry-After"]

#: Origins a socket may be opened from; the site's own pages are served from the HTTP port.
WEBSOCKET_ORIGINS = config.allowed_origins or [
    f"http://{host}:{config.http_port}" for host in ("localhost", "127.0.0.1", "[::1]")
]

#: Who may read /metrics.
METRICS_NETWORKS = config.metrics_networks
METRICS_TOKEN = config.metrics_token.get_secret_value() if config.metrics_token else ""

# The largest body any door takes; the API's parser answers 413 past it.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

# Files come in through the back office alone, and are statements: see accounts/reconciliation/reading.py.
MOST_UPLOADED_BYTES = 11_000_000
FILE_UPLOAD_HANDLERS = [
    "tradeplatform.common.uploads.BoundedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

_secure = config.is_production
SESSION_ENGINE = "accounts.desk_session_store"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SECURE = _secure
CSRF_COOKIE_SECURE = _secure
SECURE_SSL_REDIRECT = _secure
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if _secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _secure
# Asking browsers to ship our name in their preload list is for the owner of the name to decide.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if config.behind_tls_proxy else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

_sockets = [f"ws://{host}:{config.ws_port}" for host in ("localhost", "127.0.0.1")]
_connect = [f"wss://{host}" for host in ALLOWED_HOSTS] if _secure else _sockets

CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # The admin theme runs on Alpine, which evaluates the expressions in its attributes.
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF, *_connect],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
