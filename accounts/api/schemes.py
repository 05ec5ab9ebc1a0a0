"""How the API's document describes the two ways to say who calls."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # a registry by inheritance
    """An access token."""

    target_class = "accounts.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """For `components`."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """An API key and a signature."""

    target_class = "accounts.api.authentication.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """For `components`."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-KEY",
            "description": "Beside it: X-API-TIMESTAMP (milliseconds since 1970), X-API-SIGNATURE, and if "
            "you like X-API-NONCE. Signed are timestamp, nonce, method and path with query, each followed by "
            "a line feed, then the body: HMAC-SHA256 in hex, RSA and Ed25519 in base64 (docs/security.md).",
        }
