"""A file of what intake answered to a replay, line by line as a client would keep it for himself.

Written after each commit, so an order in it was acknowledged; an order may be stored without being in it
only if the replay ended between the commit and the line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from orders.services.requests import Accepted, CancelOrder, NewOrder, Outcome, Requested


@dataclass(frozen=True, slots=True)
class Journal:
    """Appends `accepted,<account>,<client order id>,<order id>`, and `denied,...,<code>` for the others.

    A run that was started again acknowledges its first orders again, under the same order ids.
    """

    file: TextIO

    def write(self, answers: Iterable[tuple[NewOrder | CancelOrder, Outcome | Requested]]) -> None:
        """Note the answers to new orders; those to cancels are left out."""
        self.file.writelines(
            f"accepted,{request.account_id},{outcome.client_order_id},{outcome.order_id}\n"
            if isinstance(outcome, Accepted)
            else f"denied,{request.account_id},{request.client_order_id},{outcome.refusal.code}\n"
            for request, outcome in answers
            if isinstance(request, NewOrder) and not isinstance(outcome, Requested)
        )
        self.file.flush()
