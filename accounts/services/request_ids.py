"""A person's wish about money is known for ever by its request id: whoever repeats it, it has one effect.

Repeating it returns the first transfer, repeating it with another payload is a conflict; neither moves
anything. The row is written in the transaction of the effect, so there is never one without the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError

from accounts.models import FundingRequest, MoneyRequest, Transfer
from tradeplatform.common.errors import Code, Refusal

_MAX_REQUEST_ID = 64


def require_request_id(request_id: str) -> str:
    """The id without surrounding blanks; raises invalid_field when it is none."""
    request_id = request_id.strip()
    if not 1 <= len(request_id) <= _MAX_REQUEST_ID or "\0" in request_id:
        raise Refusal(Code.INVALID_FIELD, "request_id must have 1 to 64 characters.", field="request_id")
    return request_id


def fingerprint_of(*payload: object) -> str:
    """What was asked for, in a form that two equal requests share."""
    return hashlib.sha256("|".join(map(str, payload)).encode()).hexdigest()


def repeated(request_id: str, fingerprint: str) -> Transfer | None:
    """The transfer of an earlier act with this id; a conflict when it asked for something else.

    Ask with the account's row locked, so that of two equal requests at once the second sees the first.
    """
    earlier = known(request_id, fingerprint)
    if earlier is None:
        return None
    if earlier.transfer_id is None:
        raise conflict(request_id)
    return Transfer.objects.get(id=earlier.transfer_id, at=earlier.at)


def asked_before(request_id: str, fingerprint: str) -> MoneyRequest | None:
    """A person's earlier request with this id; a conflict when it asked for something else. As `repeated`."""
    earlier = known(request_id, fingerprint)
    if earlier is None:
        return None
    found = MoneyRequest.objects.filter(identity=earlier).first()
    if found is None:
        raise conflict(request_id)
    return found


def known(request_id: str, fingerprint: str) -> FundingRequest | None:
    """The identity with this id, where there is one. Raises request_id_conflict for another payload."""
    earlier = FundingRequest.objects.filter(request_id=request_id).first()
    if earlier is not None and earlier.fingerprint != fingerprint:
        raise conflict(request_id)
    return earlier


@contextmanager
def conflict_named(request_id: str) -> Iterator[None]:
    """Two accounts' requests racing with one id: the database lets one win, the other gets the conflict."""
    try:
        yield
    except IntegrityError as error:
        if "accounts_fundingrequest_pkey" not in str(error):
            raise
        raise conflict(request_id) from error


def conflict(request_id: str) -> Refusal:
    """The refusal of an id that another request has."""
    return Refusal(
        Code.REQUEST_ID_CONFLICT,
        "This request id was used for another request: choose a new one.",
        request_id=request_id,
    )
