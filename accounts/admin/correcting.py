"""The button that takes a transfer back, in whole or in part, by one the other way round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.html import format_html

from accounts.models import Transfer
from accounts.services.correcting import correct, left_to_correct
from audit.admin.acting import actor_of
from instruments.admin.show import amount
from instruments.scaling import short_text
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import amount_field
from tradeplatform.common.errors import Code, Refusal


class CorrectForm(ReasonForm):
    """How much of it."""

    amount = amount_field("Amount to take back", help_text="At most what is left of the transfer.")


class Correct(Button):
    """A new transfer the other way round; the old one stays as it is."""

    name, label, icon = "correct", "Correct", "undo"
    permission = "accounts.correct_transfer"
    form_class = CorrectForm
    previews = True
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
        """Both balances before and after, as they stand now."""
        asset, moved, left = obj.asset, data["amount"], left_to_correct(obj)
        if not Decimal(0) < moved <= left:
            raise Refusal(
                Code.CORRECTION_TOO_LARGE,
                f"Between 0 and {short_text(left)} {asset.code} can be taken back.",
                field="amount",
            )
        payer, payee = obj.credit, obj.debit
        return [
            Effect(_name(payer), amount(payer.balance, asset), amount(payer.balance - moved, asset)),
            Effect(_name(payee), amount(payee.balance, asset), amount(payee.balance + moved, asset)),
            Effect("Left to correct", amount(left, asset), amount(left - moved, asset)),
        ]

    def act(self, obj: Transfer, data: Mapping[str, Any]) -> Done:
        """One transfer; the same form sent again finds it made."""
        made = correct(
            transfer_id=obj.pk,
            amount=data["amount"],
            reason=data["reason"],
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        back = amount(data["amount"], obj.asset)
        return Done(format_html("{} was taken back by {}.", back, show.ref(made, f"transfer {made.pk}")))


def _name(ledger: Any) -> str:
    return f"{ledger.account or ledger.get_kind_display()} balance"
