"""Who calls: the key in the header, what it may be used for, when the request was made, and who signed it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from accounts.models import Scope
from accounts.services.api_keys import ApiKeyCaller, authenticate, require, verify
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.gateways.binance import errors
from tradeplatform.gateways.binance.signing import Signed, Validity

_KEY = re.compile(r"[A-Za-z0-9]{64}", re.ASCII)


class Security(Enum):
    """What a key must be allowed to; NONE needs no key."""

    NONE = "NONE"
    TRADE = "TRADE"
    USER_DATA = "USER_DATA"
    USER_STREAM = "USER_STREAM"


_SCOPE = {
    Security.TRADE: Scope.TRADE,
    Security.USER_DATA: Scope.READ,
    Security.USER_STREAM: Scope.READ,
}


def let_in(
    key_id: str,
    *,
    address: str | None,
    security: Security,
    signed: Iterable[Signed],
    validity: Validity,
    now: int,
) -> ApiKeyCaller:
    """The caller, if the key is theirs, allows this, and signed it in time, in one of these ways.

    Raises -2014, -1021, and Refusals of the key, which become -2015 and -1022.
    """
    caller = known(key_id, address=address, security=security, validity=validity, now=now)
    for way in signed:
        try:
            verify(caller, way.payload, way.signature)
        except Refusal as refusal:
            if refusal.code != Code.BAD_SIGNATURE:
                raise
        else:
            return caller
    raise errors.bad_signature()


def known(
    key_id: str, *, address: str | None, security: Security, validity: Validity, now: int
) -> ApiKeyCaller:
    """The caller whose key this is, if it allows this and the request is in time; who signed it is not asked.

    Raises -2014, -1021, and Refusals of the key, which become -2015.
    """
    if not _KEY.fullmatch(key_id):
        raise errors.bad_key_format()
    caller = authenticate(key_id, ip=address)
    require(caller, _SCOPE[security])
    validity.check(now)
    return caller
