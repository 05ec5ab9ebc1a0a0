"""Buttons that move money: deposit, withdraw, adjust. Each shows before and after, then asks again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.html import format_html

from accounts.models import TradingAccount, Transfer
from accounts.selectors import balances_of
from accounts.services import funding
from audit.admin.acting import actor_of
from instruments.admin.show import amount
from instruments.models import Asset
from instruments.scaling import short_text
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import amount_field, choice_field
from tradeplatform.common.errors import Code, Refusal


class MoneyForm(ReasonForm):
    """How much of what."""

    asset = choice_field("Asset", ())
    amount = amount_field("Amount", help_text="In whole units of the asset, such as 1500 or 0.25.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["asset"]
        if isinstance(chosen, forms.ChoiceField):
            codes = Asset.objects.filter(is_active=True).order_by("code").values_list("code", "name")
            chosen.choices = [(code, f"{code} – {name}") for code, name in codes]  # noqa: RUF001 - a dash


class AdjustForm(MoneyForm):
    """An adjustment may take as well as give."""

    amount = amount_field(
        "Amount", signed=True, help_text="Positive gives to the client, negative takes from the client."
    )


class MoneyButton(Button):
    """Move money between the client and one other party."""

    form_class = MoneyForm
    previews = True
    service: ClassVar[Callable[..., Transfer]]
    sign: ClassVar[int] = 1
    verb: ClassVar[str]
    other: ClassVar[str]

    def initial(self, obj: TradingAccount) -> Mapping[str, Any]:
        """The account's own currency."""
        return {"asset": obj.currency.code}

    def effects(self, obj: TradingAccount, data: Mapping[str, Any]) -> Sequence[Effect]:
        """Balance and available, before and after, as they stand now."""
        asset = Asset.objects.get(code=data["asset"])
        change: Decimal = data["amount"] * self.sign
        if not change:
            raise Refusal(Code.INVALID_NUMBER, "The amount must not be zero.", field="amount")
        row = balances_of(obj.pk).filter(asset=asset).first()
        balance, held = (row.balance, row.held) if row else (Decimal(0), Decimal(0))
        if balance - held + change < 0:
            raise Refusal(
                Code.INSUFFICIENT_FUNDS,
                f"Only {short_text(balance - held)} {asset.code} is available: "
                f"{short_text(held)} is held by open orders.",
                field="amount",
            )
        return [
            Effect(f"{obj} balance", amount(balance, asset), amount(balance + change, asset)),
            Effect(f"{obj} held by open orders", amount(held, asset), amount(held, asset)),
            Effect(f"{obj} available", amount(balance - held, asset), amount(balance - held + change, asset)),
            Effect("Other side of the transfer", "", self.other),
        ]

    def act(self, obj: TradingAccount, data: Mapping[str, Any]) -> Done:
        """One transfer; the same form sent again finds it made."""
        transfer = type(self).service(
            account_id=obj.pk,
            asset=data["asset"],
            amount=data["amount"],
            reason=data["reason"],
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
        )
        asset = Asset.objects.get(id=transfer.asset_id)
        return Done(
            format_html(
                "{} {} {} {}.",
                self.verb,
                amount(data["amount"], asset),
                "on" if self.sign > 0 else "from",
                show.ref(transfer, f"{obj} as transfer {transfer.pk}"),
            )
        )


class Deposit(MoneyButton):
    """Money comes in from outside."""

    name, label, icon = "deposit", "Deposit", "add_card"
    permission = "accounts.deposit_tradingaccount"
    service = staticmethod(funding.deposit)
    verb, other = "Deposited", "Funding: the outside world"


class Withdraw(MoneyButton):
    """Money goes out; what open orders hold stays."""

    name, label, icon = "withdraw", "Withdraw", "payments"
    permission = "accounts.withdraw_tradingaccount"
    service = staticmethod(funding.withdraw)
    sign = -1
    verb, other = "Withdrew", "Funding: the outside world"


class Adjust(MoneyButton):
    """A correction against the house."""

    name, label, icon = "adjust", "Adjust", "balance"
    permission = "accounts.adjust_tradingaccount"
    form_class = AdjustForm
    service = staticmethod(funding.adjust)
    verb, other = "Adjusted by", "House: our own money"
