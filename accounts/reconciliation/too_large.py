"""A file that is too large for a page: the form comes again, with a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.reconciliation.reading import MOST_BYTES, MOST_ROWS

_SENTENCE = (
    f"The file is too large: at most {MOST_BYTES // 1_000_000} MB and {MOST_ROWS:,} rows are taken at once. "
    "Nothing of it was kept. Split it and upload the parts one after the other, or take the parts with "
    "`manage.py reconcile import`; a line that was told before adds nothing."
)


class TooLargeFileMiddleware:
    """Stands before whoever reads the form, and goes by the announced length.

    The check against forged requests reads the form for its token, so no view can answer what is too long to
    be read. Statements are the only files that come in.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Nothing yet: who asks is known when the view is."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        """Back to the form, when somebody who may see it has sent too much."""
        if request.method != "POST" or not request.path.startswith("/admin/"):
            return None
        announced = request.META.get("CONTENT_LENGTH") or ""
        if not announced.isdecimal() or int(announced) <= settings.MOST_UPLOADED_BYTES:
            return None
        if request.content_type != "multipart/form-data" or not request.user.is_authenticated:
            return None
        messages.error(request, _SENTENCE)
        return HttpResponseRedirect(request.path)
