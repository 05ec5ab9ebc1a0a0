"""A client of the Binance dialect, as its own clients send: parameters in the query or in a form."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.test import Client

FORM = "application/x-www-form-urlencoded"


class Venue(Client):
    """Paths are relative to /api/v3; parameters are keywords."""

    def ask(self, path: str, /, **parameters: Any) -> Any:
        """GET; the body of an answer that must be 200."""
        response = self.look(path, **parameters)
        assert response.status_code == 200, response.content
        return response.json()

    def look(self, path: str, /, **parameters: Any) -> Any:
        """GET."""
        return self.get(f"/api/v3/{path}?{urlencode(parameters)}")


def refused(response: Any, code: int, msg: str, status: int = 400) -> None:
    """Fail unless the answer is this error, letter by letter."""
    body = response.json()
    assert (body["code"], body["msg"], response.status_code) == (code, msg, status), body
