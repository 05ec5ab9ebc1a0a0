"""No act by hand without a reason: the one check that all such services share."""

from __future__ import annotations

from tradeplatform.common.errors import Code, Refusal

_MOST_CHARACTERS = 500


def require_reason(reason: str) -> str:
    """The reason without surrounding blanks.

    Raises Refusal: reason_required when nothing readable is left, invalid_field when it is too long.
    """
    reason = reason.strip()
    if not reason or "\0" in reason:
        raise Refusal(Code.REASON_REQUIRED, "Say why: a reason is required and recorded.", field="reason")
    if len(reason) > _MOST_CHARACTERS:
        sentence = f"A reason has at most {_MOST_CHARACTERS} characters; this one has {len(reason):,}."
        raise Refusal(Code.INVALID_FIELD, sentence, fields={"reason": sentence})
    return reason
