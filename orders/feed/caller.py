"""Who a socket's requests are from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accounts.models import Scope
from accounts.selectors import Reach
from accounts.services import api_keys
from accounts.services.api_keys import ApiKeyCaller
from accounts.services.sessions import SessionProof, require_living
from audit.actor import Actor
from tradeplatform.common.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a socket's requests are from, and what they reach. With a key: what the key may."""

    reach: Reach
    tier_id: int | None
    actor: Actor
    key: ApiKeyCaller | None = None
    session: SessionProof | None = None

    def require_trade(self, among: Mapping[str, tuple[int, str]] | None = None) -> None:
        """Refuse a key that may not trade, and who was shut out since the socket was let in.

        A socket is closed then, but only once it has heard so. `among`: see `require_living`.
        """
        if self.session is not None:
            require_living(self.session, among)
        if self.key is not None:
            now = api_keys.authenticate(self.key.key_id, ip=self.key.ip)
            if now.generation != self.key.generation:
                sentence = "This API key has another secret since: authenticate again, with that."
                raise Refusal(Code.NOT_AUTHENTICATED, sentence)
            api_keys.require(now, Scope.TRADE)
