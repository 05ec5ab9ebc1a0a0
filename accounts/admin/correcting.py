"""The button that asks for a transfer to be taken back, in whole or in part, by one the other way round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from django.utils.html import format_html

from accounts.models import Transfer
from accounts.services.correcting import effects_of, left_to_correct
from accounts.services.correction_requests import ACTION, RIGHT, ask_correction
from audit.admin.acting import actor_of
from audit.admin.asking import sent, waits_for
from instruments.admin.show import amount
from instruments.scaling import short_text
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import amount_field


class CorrectForm(ReasonForm):
    """How much of it."""

    amount = amount_field("Amount to take back", help_text="At most what is left of the transfer.")


class Correct(Button):
    """A new transfer the other way round, once another person has agreed; the old one stays as it is."""

    name, label, icon = "correct", "Correct", "undo"
    permission = RIGHT
    form_class = CorrectForm
    previews = rehearsed = True
    danger = True

    def why_not(self, obj: Transfer) -> str:
        """All of it was taken back."""
        return "" if left_to_correct(obj) else "All of it was taken back already."

    def initial(self, obj: Transfer) -> Mapping[str, Any]:
        """All that is left."""
        return {"amount": left_to_correct(obj)}

    def intro(self, obj: Transfer) -> str:
        """What is left."""
        left = short_text(left_to_correct(obj))
        return f"{left} of {short_text(obj.amount)} {obj.asset.code} is left to correct."

    def effects(self, obj: Transfer, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Both balances before and after, as they stand now, and whom it waits for."""
        rows = [Effect(*row) for row in effects_of(obj, data["amount"])]
        waits = waits_for(ACTION, amount=data["amount"], asset=obj.asset.code, now=timezone.now())
        return [*rows, *waits]

    def act(self, obj: Transfer, data: Mapping[str, Any]) -> Done:
        """Ask for it; the same form sent again finds it asked."""
        approval = ask_correction(
            transfer_id=obj.pk,
            amount=data["amount"],
            reason=data["reason"],
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        return sent(approval, format_html("Taking {} back", amount(data["amount"], obj.asset)))
