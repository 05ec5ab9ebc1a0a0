"""What people asked for about money: where it stands, what it holds, and the transfer it became."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.models import MoneyKind, MoneyRequest, MoneyState, TradingAccount, Transfer
from audit.admin.records import person
from instruments.admin.show import amount
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter, TextFilter, as_id
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone

TONE = {
    MoneyState.REQUESTED: Tone.WARN,
    MoneyState.DONE: Tone.GOOD,
    MoneyState.REJECTED: Tone.BAD,
    MoneyState.CANCELLED: Tone.QUIET,
    MoneyState.EXPIRED: Tone.QUIET,
}
_SHOWN = 10


class StateFilter(ChoiceFilter):
    """Where it stands."""

    title, parameters, options = "state", ("state",), MoneyState.choices


class KindFilter(ChoiceFilter):
    """What was asked for."""

    indexed = False
    title, parameters, options = "kind", ("kind",), MoneyKind.choices


class AccountFilter(TextFilter):
    """Whose money; the receiver of a transfer is found on the sender's."""

    title, parameters, placeholder = "account", ("account",), "ACC-000001"

    def narrow(self, queryset: QuerySet[MoneyRequest], typed: str) -> QuerySet[MoneyRequest]:
        """By account number."""
        return queryset.filter(account__account_number=typed)


@admin.register(MoneyRequest)
class MoneyRequestAdmin(DetailMixin, KeysetList):
    """All of them, the newest first."""

    question = "Who asked for money to be moved, and what came of it?"
    when_empty = "Nobody has asked for money to be moved yet. The buttons of an account do."
    search_hint = "Number of a request, or its request id"
    list_display = ("number", "kind", "whose", "size", "state_shown", "asked", "when_asked", "came")
    list_display_links = ("number",)
    list_filter = (StateFilter, KindFilter, AccountFilter)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MoneyRequest]:
        """With account and asset."""
        return MoneyRequest.objects.select_related("account", "to_account", "asset", "approval")

    def search_rows(self, queryset: QuerySet[MoneyRequest], term: str) -> QuerySet[MoneyRequest]:
        """By number or request id."""
        number = as_id(term)
        return queryset.filter(pk=number) if number else queryset.filter(identity_id=term)

    @admin.display(description="Request")
    def number(self, row: MoneyRequest) -> SafeString | str:
        """Its number."""
        return show.mono(row.pk)

    @admin.display(description="Account")
    def whose(self, row: MoneyRequest) -> SafeString | str:
        """Whose money, and where a transfer goes."""
        if row.to_account is None:
            return show.ref(row.account)
        return show.together([show.ref(row.account), "to", show.ref(row.to_account)])

    @admin.display(description="Amount")
    def size(self, row: MoneyRequest) -> SafeString | str:
        """How much."""
        return amount(row.amount, row.asset)

    @admin.display(description="State")
    def state_shown(self, row: MoneyRequest) -> SafeString:
        """Where it stands."""
        return state(row)

    @admin.display(description="Asked by")
    def asked(self, row: MoneyRequest) -> SafeString:
        """Who, and why."""
        return show.lines(person(row.maker_id, row.maker_label), row.reason[:80])

    @admin.display(description="Asked (UTC)")
    def when_asked(self, row: MoneyRequest) -> SafeString | str:
        """When."""
        return show.when(row.at)

    @admin.display(description="What came of it")
    def came(self, row: MoneyRequest) -> SafeString | str:
        """The transfer, or the approval it waits for."""
        return outcome(row)

    def heading(self, row: MoneyRequest) -> str:
        """What was asked for."""
        return f"{row.get_kind_display()}: {row.account}"

    def badges(self, row: MoneyRequest) -> Iterable[SafeString]:
        """Where it stands."""
        return [state(row)]

    def panels(self, request: HttpRequest, row: MoneyRequest) -> Iterable[Panel]:
        """The request and its evidence."""
        yield Facts(
            "The request",
            [
                Fact("Account", self.whose(row)),
                Fact("Amount", amount(row.amount, row.asset)),
                Fact("Held for it", amount(row.held, row.asset), "Reserved while it waits."),
                Fact(
                    "Counts against limits",
                    show.NOTHING if row.worth is None else show.decimal(row.worth, "USD"),
                    "A withdrawal, at the rate of the moment of asking.",
                ),
                Fact("Asked by", person(row.maker_id, row.maker_label)),
                Fact("Reason", row.reason),
                Fact("Asked (UTC)", show.when(row.at)),
                Fact("Closed (UTC)", show.when(row.closed_at)),
                Fact("What came of it", outcome(row)),
                Fact("Approval", show.ref(row.approval)),
                Fact("Request id", show.mono(row.identity_id)),
            ],
            wide=True,
        )
        yield Facts(
            "Evidence",
            [
                Fact("Reference", row.reference or show.NOTHING),
                Fact("SHA-256 of the document", show.mono(row.document_hash)),
            ],
            wide=True,
        )


def state(row: MoneyRequest) -> SafeString:
    """Where it stands, as a badge."""
    return show.badge(row.get_state_display(), TONE[MoneyState(row.state)])


def outcome(row: MoneyRequest) -> SafeString | str:
    """The transfer, or the approval it waits for or ended with."""
    if row.transfer_id is not None:
        return show.ref_to(Transfer, row.transfer_id, f"transfer {row.transfer_id}")
    return show.ref(row.approval)


def latest_of_account(account: TradingAccount) -> Table:
    """The newest requests of an account."""
    rows = MoneyRequest.objects.filter(account=account).select_related("asset", "approval")
    return Table(
        "Latest money requests",
        columns("Request", "Asked (UTC)", "Kind", "#Amount", "#Held", "State", "What came of it"),
        [
            [
                show.ref(row, row.pk),
                show.when(row.at),
                row.get_kind_display(),
                amount(row.amount, row.asset),
                amount(row.held, row.asset),
                state(row),
                outcome(row),
            ]
            for row in rows.order_by("-id")[:_SHOWN]
        ],
        empty="Nobody has asked for money of this account to be moved.",
        more=(show.list_of(MoneyRequest, account=account.account_number), "All requests of this account"),
    )
