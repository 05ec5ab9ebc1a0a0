"""A socket's way out that only listens."""

from __future__ import annotations

from orders.feed.outlet import Outlet
from tests.feed.test_parts import Gate, Wire


class Ear(Outlet):
    """An outlet that keeps what it is sent; while it is `busy`, everything waits in its queue."""

    def __init__(self) -> None:
        super().__init__(Gate(Wire()))
        self.busy = False
        self.heard: list[str] = []

    def send_if_free(self, text: str) -> bool:
        """Take it unless busy."""
        if self.busy or self._outbox:
            return False
        self.heard.append(text)
        return True

    def free(self) -> None:
        """Read what waits."""
        self.busy = False
        while (text := self._outbox.pop()) is not None:
            self.heard.append(text)
