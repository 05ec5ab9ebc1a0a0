"""No act by hand without a reason: the one check that all such services share."""

from __future__ import annotations

from tradeplatform.common.errors import Code, Refusal


def require_reason(reason: str) -> str:
    """The reason without surrounding blanks; raises reason_required when nothing readable is left."""
    reason = reason.strip()
    if not reason or "\0" in reason:
        raise Refusal(Code.REASON_REQUIRED, "Say why: a reason is required and recorded.", field="reason")
    return reason
