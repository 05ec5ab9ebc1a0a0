"""Buttons that move money: each shows before and after, then asks again, and waits where a policy says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.html import format_html

from accounts.approvals import RIGHT
from accounts.models import MoneyKind, MoneyState, TradingAccount, Transfer
from accounts.services.amounts import check_amount
from accounts.services.money_effects import effects, limit_effects
from accounts.services.money_requests import Wish, action_of, request_money
from accounts.services.moving import Movement
from audit.admin.acting import actor_of
from audit.admin.asking import NOTHING_MOVES, sent, waits_for
from instruments.admin.show import amount
from instruments.models import Asset
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import amount_field, choice_field, text_field
from tradeplatform.common.errors import Code, Refusal


class MoneyForm(ReasonForm):
    """How much of what, and by which evidence."""

    asset = choice_field("Asset", ())
    amount = amount_field("Amount", help_text="In units of the asset, such as 1500 or 0.25.")
    reference = text_field(
        "Reference",
        max_length=140,
        required=False,
        help_text="Of the bank, the chain or the paper behind it.",
    )
    document_hash = text_field(
        "Document", max_length=64, required=False, help_text="SHA-256 of a file that proves it, in hex."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["asset"]
        if isinstance(chosen, forms.ChoiceField):
            codes = Asset.objects.filter(is_active=True).order_by("code").values_list("code", "name")
            chosen.choices = [(code, f"{code} – {name}") for code, name in codes]  # noqa: RUF001 - a dash


class SignedForm(MoneyForm):
    """One that may take as well as give."""

    amount = amount_field(
        "Amount", signed=True, help_text="Positive gives to the client, negative takes from the client."
    )


class TransferForm(MoneyForm):
    """To which account."""

    to_account = text_field(
        "To account", max_length=32, help_text="The number of another account of the same person."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["to_account", *self.fields])


class MoneyButton(Button):
    """Move money between the client and one other party."""

    form_class = MoneyForm
    previews = rehearsed = True
    kind: ClassVar[MoneyKind]
    verb: ClassVar[str]
    meanwhile: ClassVar[str] = NOTHING_MOVES

    def initial(self, obj: TradingAccount) -> Mapping[str, Any]:
        """The account's own currency."""
        return {"asset": obj.currency.code}

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Each side before and after as things stand, the limits it uses, and whether others must agree."""
        if not data["amount"]:
            raise Refusal(Code.INVALID_NUMBER, "The amount must not be zero.", field="amount")
        now = timezone.now()
        asset = Asset.objects.get(code=data["asset"])
        check_amount(data["amount"], asset)  # before the sums that it would make absurd
        movement = Movement(self.kind, obj.pk, asset, data["amount"], _receiver(obj, data))
        waits = waits_for(
            action_of(self.kind), amount=data["amount"], asset=asset.code, meanwhile=self.meanwhile, now=now
        )
        rows = effects(movement, waits=bool(waits))
        if self.kind == MoneyKind.WITHDRAWAL:
            rows += limit_effects(movement, now=now)
        return [*(Effect(*row) for row in rows), *waits]

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """One request; the same form sent again finds it made."""
        money = request_money(
            Wish(
                kind=self.kind,
                account_id=obj.pk,
                asset=data["asset"],
                amount=data["amount"],
                reason=data["reason"],
                request_id=data["request_id"],
                to_account_id=_receiver(obj, data),
                reference=data["reference"],
                document_hash=data["document_hash"],
            ),
            actor=actor_of(self.request),
            now=timezone.now(),
        ).request
        if money.state == MoneyState.DONE:
            link = show.ref_to(Transfer, money.transfer_id, f"{obj} as transfer {money.transfer_id}")
            return Done(format_html("{} {}: {}.", self.verb, amount(money.amount, money.asset), link))
        if money.state == MoneyState.REQUESTED and money.approval is not None:
            return sent(money.approval, money.get_kind_display())
        return Done(format_html("It is {} already: {}.", money.state, show.ref(money)))


class Deposit(MoneyButton):
    """Money comes in from outside."""

    name, label, icon = "deposit", "Deposit", "add_card"
    kind, verb = MoneyKind.DEPOSIT, "Deposited"
    permission = RIGHT[MoneyKind.DEPOSIT]


class Withdraw(MoneyButton):
    """Money goes out; what orders and requests hold stays."""

    name, label, icon = "withdraw", "Withdraw", "payments"
    kind, verb = MoneyKind.WITHDRAWAL, "Withdrew"
    permission = RIGHT[MoneyKind.WITHDRAWAL]
    meanwhile = "the amount is held at once and leaves when it is approved"


class TransferMoney(MoneyButton):
    """Between two accounts of one person."""

    name, label, icon = "transfer", "Transfer", "sync_alt"
    kind, verb = MoneyKind.TRANSFER, "Transferred"
    permission = RIGHT[MoneyKind.TRANSFER]
    form_class = TransferForm


class Adjust(MoneyButton):
    """A correction against the house."""

    name, label, icon = "adjust", "Adjust", "balance"
    kind, verb = MoneyKind.ADJUSTMENT, "Adjusted by"
    permission = RIGHT[MoneyKind.ADJUSTMENT]
    form_class = SignedForm


class Credit(MoneyButton):
    """Lent by the house: counts as equity, cannot be withdrawn or spent."""

    name, label, icon = "credit", "Credit", "redeem"
    kind, verb = MoneyKind.CREDIT, "Lent"
    permission = RIGHT[MoneyKind.CREDIT]
    form_class = SignedForm


class Bonus(MoneyButton):
    """Credit that is a present."""

    name, label, icon = "bonus", "Bonus", "card_giftcard"
    kind, verb = MoneyKind.BONUS, "Gave"
    permission = RIGHT[MoneyKind.BONUS]


def _receiver(obj: TradingAccount, data: Mapping[str, Any]) -> int | None:
    """The account that a transfer goes to."""
    if "to_account" not in data:
        return None
    number = data["to_account"]
    found = TradingAccount.objects.filter(user_id=obj.user_id, account_number=number).exclude(pk=obj.pk)
    receiver = found.values_list("pk", flat=True).first() if "\0" not in number else None
    if receiver is None:
        raise Refusal(
            Code.ACCOUNT_NOT_FOUND, "This person has no other account with that number.", field="to_account"
        )
    return receiver
