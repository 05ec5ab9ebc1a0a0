"""What is answered in lists, each by a thread of its own: new orders, amends, cancels.

They do not wait for each other: an order may have to wait for its account, a cancel never.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn

from orders.api.changing import ChangingDoor, amends, cancels
from orders.api.placing import PlacingDoor
from tradeplatform.express.lane import Done, Lane
from tradeplatform.express.reading import Plain

_ORDER = "/api/v1/orders/[0-9]{1,19}"
PLACING = Plain("POST", "/api/v1/orders(?:/batch)?")
AMENDING = Plain("PATCH", _ORDER)
CANCELLING = Plain("DELETE", _ORDER)


def lanes(
    room: int,
    *,
    serve: Callable[..., None],
    refuse: Callable[[TConn], None],
    done: Done,
    closes: Callable[[], bool],
) -> Sequence[Lane[Any]]:
    """One for each, with so much room. What is given back is served as it would be without: cancels first."""
    new = partial(Lane, room=room, refuse=refuse, done=done, closes=closes)
    return (
        new("lists", PLACING, PlacingDoor(), serve=serve),
        new("amend-lists", AMENDING, ChangingDoor(amends), serve=serve),
        new("cancel-lists", CANCELLING, ChangingDoor(cancels), serve=partial(serve, first=True)),
    )
