"""What a caller is told after too many wrong passwords."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from tradeplatform.common.api_errors import problem_response
from tradeplatform.common.errors import Code, Refusal

_SENTENCE = "Too many failed logins from this address for this name: wait fifteen minutes and try again."


def locked_out(request: HttpRequest, _response: object = None, _credentials: object = None) -> HttpResponse:
    """Answer 429: in the API's error format there, as a sentence where a person filled in the form."""
    answer: HttpResponse
    if request.path.startswith("/api/"):
        answer = problem_response(Refusal(Code.THROTTLED, _SENTENCE))
    else:
        answer = HttpResponse(_SENTENCE, status=429, content_type="text/plain; charset=utf-8")
    answer["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    return answer
