"""What people do about a break: match it by hand, have it written off, look at it, write a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from django.utils.html import format_html

from accounts.reconciliation.models import Break, BreakState, StatementLine
from accounts.reconciliation.services import breaks
from accounts.reconciliation.services.matching import match_by_hand, sides_of
from accounts.reconciliation.services.writing_off import ACTION, RIGHT, ask_write_off, preview
from audit.admin.acting import actor_of
from audit.admin.asking import sent, waits_for
from instruments.admin.show import amount
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import text_field
from tradeplatform.common.admin.filters import as_id
from tradeplatform.common.errors import Code, Refusal

_SIDES = ("lines", "transfers")


class _OnOpen(Button):
    """An act on a break that is open."""

    def why_not(self, obj: Break) -> str:
        """It is closed."""
        return "" if obj.state == BreakState.OPEN else f"It is {obj.get_state_display().lower()} already."


class MatchForm(ReasonForm):
    """Both sides, by name."""

    lines = text_field(
        "Their lines", required=False, max_length=500, help_text="Their references, with commas between them."
    )
    transfers = text_field(
        "Our transfers", required=False, max_length=500, help_text="Numbers, with commas between them."
    )


class MatchByHand(_OnOpen):
    """Say that these are the same money."""

    name, label, icon = "match", "Match by hand", "link"
    permission = "reconciliation.match_break"
    form_class = MatchForm
    previews = True

    def initial(self, obj: Break) -> Mapping[str, Any]:
        """What the break is about."""
        line = obj.line.reference if obj.line else ""
        return {"lines": line, "transfers": ", ".join(map(str, obj.transfer_ids))}

    def effects(self, obj: Break, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Both sums."""
        sides = sides_of(obj.source_id, **_chosen(obj, data))
        asset = obj.ledger.asset
        same = "match" if sides.theirs == sides.ours else "differ: this will be refused"
        return [
            Effect("Theirs", f"{len(sides.lines)} lines", amount(sides.theirs, asset)),
            Effect("Ours", f"{len(sides.transfers)} transfers", amount(sides.ours, asset)),
            Effect("The two sides", "unmatched", same),
        ]

    def act(self, obj: Break, data: Mapping[str, Any]) -> Done:
        """Match."""
        match = match_by_hand(
            source_id=obj.source_id,
            **_chosen(obj, data),
            reason=data["reason"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        return Done(format_html("Matched: {}.", show.ref(match)))


class WriteOff(_OnOpen):
    """Let suspense have it, once somebody else has agreed."""

    name, label, icon = "write-off", "Write off", "playlist_remove"
    permission = RIGHT
    danger = True

    def why_not(self, obj: Break) -> str:
        """It is closed, or waits."""
        waits = "Its write-off waits for approval already." if obj.approval_id else ""
        return super().why_not(obj) or waits

    def effects(self, obj: Break, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What would move, and who has to agree."""
        rows = [Effect(*row) for row in preview({"break": obj.pk})]
        waits = waits_for(ACTION, amount=obj.amount, asset=obj.ledger.asset.code, now=timezone.now())
        return [*rows, *waits]

    def act(self, obj: Break, data: Mapping[str, Any]) -> Done:
        """Ask for it."""
        approval = ask_write_off(
            break_id=obj.pk,
            request_id=data["request_id"],
            reason=data["reason"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        return sent(approval, "The write-off")


class AssignForm(ReasonForm):
    """Whom."""

    username = text_field(
        "Who looks at it", required=False, max_length=150, help_text="Login name; empty: nobody."
    )


class Assign(_OnOpen):
    """Say who looks at it."""

    name, label, icon = "assign", "Assign", "person_add"
    permission = "reconciliation.assign_break"
    form_class = AssignForm

    def initial(self, obj: Break) -> Mapping[str, Any]:
        """Oneself."""
        return {"username": self.request.user.get_username()}

    def act(self, obj: Break, data: Mapping[str, Any]) -> Done:
        """Assign."""
        breaks.assign(
            break_id=obj.pk,
            username=data["username"].strip(),
            reason=data["reason"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        return Done(f"{data['username'] or 'Nobody'} looks at {obj}.")


class Note(Button):
    """Write down what was found out."""

    name, label, icon = "note", "Note", "edit_note"
    permission = "reconciliation.assign_break"

    def act(self, obj: Break, data: Mapping[str, Any]) -> Done:
        """Keep it in the audit trail."""
        breaks.note(break_id=obj.pk, text=data["reason"], actor=actor_of(self.request), now=timezone.now())
        return Done("The note was written down.")


def _chosen(obj: Break, data: Mapping[str, Any]) -> dict[str, list[int]]:
    """The rows that were named, of the break's source."""
    named = {name: [word.strip() for word in data[name].split(",") if word.strip()] for name in _SIDES}
    known = StatementLine.objects.filter(source=obj.source_id, reference__in=named["lines"])
    lines = dict(known.values_list("reference", "pk"))
    if missing := [reference for reference in named["lines"] if reference not in lines]:
        raise Refusal(Code.NOT_FOUND, f"The source has no line {missing[0]!a}.", field="lines")
    transfers = {as_id(word) for word in named["transfers"]}
    if None in transfers:
        raise Refusal(Code.INVALID_FIELD, "Write numbers with commas between them.", field="transfers")
    return {
        "line_ids": sorted(lines.values()),
        "transfer_ids": sorted(number for number in transfers if number is not None),
    }
