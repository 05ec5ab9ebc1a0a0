"""How much one socket may say, and how much of it may be wrong, before it is sent away."""

from __future__ import annotations

import time

from orders.feed import protocol
from orders.feed.buckets import Bucket
from orders.feed.protocol import Closing
from tradeplatform.common.errors import Code, Refusal


class Manners:
    """One for each socket, whatever its dialect."""

    def __init__(self) -> None:
        now = time.monotonic()
        self._messages = Bucket(size=protocol.MESSAGE_BURST, rate=protocol.MESSAGES_PER_SECOND, now=now)
        self._orders = Bucket(
            size=protocol.ORDER_MESSAGE_BURST, rate=protocol.ORDER_MESSAGES_PER_SECOND, now=now
        )
        self._errors = Bucket(
            size=protocol.ERROR_BURST, rate=1 / protocol.SECONDS_TO_FORGIVE_AN_ERROR, now=now
        )

    def check_pace(self, *, of_orders: bool = False) -> None:
        """Count a message; those about orders have a count of their own. Raises Refusal throttled."""
        if not (self._orders if of_orders else self._messages).take(time.monotonic()):
            raise Refusal(Code.THROTTLED, protocol.TOO_MANY_MESSAGES.message)

    def forgive(self, code: Code) -> Closing | None:
        """Count an error: None if it is forgiven, else why the socket is to be closed."""
        if self._errors.take(time.monotonic()):
            return None
        return protocol.CLOSING_OF.get(code, protocol.TOO_MANY_ERRORS)


def is_too_large(text: str | None) -> bool:
    """Whether a message is larger than any may be."""
    return text is not None and len(text.encode(errors="surrogatepass")) > protocol.MAX_MESSAGE_BYTES
