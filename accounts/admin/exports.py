"""The whole ledger of some days as a file, from the list of transfers."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse

from accounts.admin.statements import period_asked
from accounts.exporting import whole_ledger
from tradeplatform.common.errors import Refusal

PERMISSION = "accounts.export_transfer"


def export_view(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Stream the transfers of `from` to `to`, this month unless told, as CSV."""
    if not (request.user.has_perm(PERMISSION) and request.user.has_perm("accounts.view_transfer")):
        raise PermissionDenied
    try:
        period = period_asked(request)
    except Refusal as refusal:
        messages.warning(request, refusal.message)
        return HttpResponseRedirect(reverse("admin:accounts_transfer_changelist"))
    name = f"ledger-{period}.csv".replace(" ", "-")
    return StreamingHttpResponse(
        whole_ledger(period),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
