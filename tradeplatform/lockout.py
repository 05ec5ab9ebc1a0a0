"""What a caller is told after too many wrong passwords."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from tradeplatform.common.api_errors import problem
from tradeplatform.common.errors import Code, Refusal


def locked_out(_request: HttpRequest, _response: object = None, _credentials: object = None) -> JsonResponse:
    """Answer 429 in the API's error format; the admin's login page shows the same sentence."""
    message = "Too many failed logins from this address for this name: wait fifteen minutes and try again."
    refusal = Refusal(Code.THROTTLED, message)
    headers = {"Retry-After": str(int(settings.AXES_COOLOFF_TIME.total_seconds()))}
    return JsonResponse(
        problem(refusal), status=429, headers=headers, content_type="application/problem+json"
    )
