"""REST framework, tokens and the OpenAPI document."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tradeplatform.settings.values import config

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.SessionAuthentication",
        "accounts.api.authentication.KeyAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.api.authentication.KeyHasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["tradeplatform.common.json_codec.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tradeplatform.common.json_codec.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.throttling.CallerThrottle"],
    # Whose word to take for the caller's address: the proxy's where there is one, else nobody's.
    "NUM_PROXIES": 1 if config.behind_tls_proxy else 0,
    # OPTIONS is answered for other sites' browsers by corsheaders, and by nobody else.
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "tradeplatform.common.api_schema.Schema",
    "EXCEPTION_HANDLER": "tradeplatform.common.api_errors.problem_details_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

#: Calls a minute: of an address whoever calls, of one without a login, and attempts to log in. Those who are
#: logged in have their tier's. Generous: they stop a loop gone wild, not a busy trader. `binance_weight` is
#: what an address may use of the Binance dialect.
RATE_LIMITS = {
    "address": config.address_calls_1m,
    "anonymous": 1_200,
    "login": 120,
    "binance_weight": config.binance_weight_1m,
}

#: Of the doors alone: the platform's own acts, such as closing a position, wait their turn.
SHARD_LAG_LIMIT_SECONDS: float = config.shard_lag_limit_seconds if config.role in {"web", "sockets"} else 0
HALT_ON_QUARANTINE = config.halt_on_quarantine
#: How many of a process's threads may wait for the book at once; the rest stay free to take requests.
MAX_WAITING_REQUESTS = max(1, config.http_threads * 3 // 4)

#: Of the sockets, as callers see it; None: a proxy has them behind the site's own name.
FEED_PORT: int | None = None if config.is_production else config.ws_port

SIMPLE_JWT: dict[str, Any] = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "UPDATE_LAST_LOGIN": False,
    # One algorithm, and tokens made by and for this platform alone.
    "ALGORITHM": "HS256",
    "ISSUER": "tradeplatform",
    "AUDIENCE": "tradeplatform",
    # A changed password ends every session.
    "CHECK_REVOKE_TOKEN": True,
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Trading platform",
    "DESCRIPTION": "Orders, trades, balances, market data. Money, prices and quantities are decimal strings. "
    "Which fields of an order go together, with an example of each type, is in docs/order-types.md.",
    "VERSION": "1",
    # JSON Schema itself, so that the tests can check live answers against the document.
    "OAS_VERSION": "3.1.0",
    "ENUM_NAME_OVERRIDES": {
        "AccountType": "accounts.models.AccountType",
        "AlertDirection": "orders.market.models.AlertDirection",
        "AlertState": "orders.market.models.AlertState",
        "AlertWatch": "orders.market.models.AlertWatch",
        # As they were named before alerts had a state and a direction too.
        "DirectionEnum": "accounts.models.Direction",
        "StateEnum": "accounts.models.MoneyState",
        "CredentialType": "accounts.api.webauthn_shapes.CREDENTIAL_TYPES",
        "ErrorCode": "tradeplatform.common.api_shapes.ERROR_CODES",
        "EventKind": "orders.api.shapes.EVENT_KINDS",
        "InstrumentKind": "instruments.models.InstrumentKind",
        "InstrumentStatus": "instruments.models.InstrumentStatus",
        "KeyKind": "accounts.models.KeyKind",
        "Link": "orders.models.Link",
        "Liquidity": "orders.models.Liquidity",
        "ListKind": "orders.api.shapes.LIST_KINDS",
        "DealKind": "accounts.models.DealKind",
        "PrivateKind": "orders.models.PrivateKind",
        "TimerKind": "orders.models.TimerKind",
        "OrderStatus": "orders.models.OrderStatus",
        "OrderType": "orders.models.OrderType",
        "Realm": "instruments.models.Realm",
        "Role": "accounts.models.Role",
        "Scope": "accounts.models.Scope",
        "ShardStatus": "orders.models.ShardStatus",
        "Side": "orders.models.Side",
        "StpMode": "orders.models.StpMode",
        "TimeInForce": "orders.models.TimeInForce",
        "TransferKind": "accounts.models.TransferKind",
        "TriggerBy": "orders.models.TriggerBy",
    },
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_PATCH": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
