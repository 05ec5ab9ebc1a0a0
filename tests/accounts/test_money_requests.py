"""What people ask for about money: done at once or held until others agree; refused without a trace."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import (
    LedgerKind,
    MoneyKind,
    MoneyRequest,
    Role,
    TradingAccount,
    Transfer,
    User,
    UserRole,
)
from accounts.services.funding import deposit, withdraw
from accounts.services.limits import change_limit
from accounts.services.money_requests import cancel_money
from audit.models import ApprovalRequest, AuditRecord
from audit.services.approving import cancel, expire_due
from instruments.models import Asset
from tests.accounts.wishing import (
    ask_money,
    client_account,
    decided,
    dollars,
    needs_approval,
    refused,
)
from tests.audit.naming import by
from tests.factories import ACTOR, NOW, fund, make_account, make_asset, make_user, money, short
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=1)
WITHDRAWAL, TRANSFER, DEPOSIT = MoneyKind.WITHDRAWAL, MoneyKind.TRANSFER, MoneyKind.DEPOSIT
ADJUSTMENT, CREDIT, BONUS = MoneyKind.ADJUSTMENT, MoneyKind.CREDIT, MoneyKind.BONUS


@pytest.fixture
def account() -> TradingAccount:
    """A dollar account of a known person, with 1000 on it."""
    account = client_account()
    fund(account, account.currency, 1000)
    return account


@pytest.fixture
def officer() -> User:
    return make_user(Role.ADMIN)


@pytest.fixture
def usd(account: TradingAccount) -> Asset:
    return account.currency


def stored() -> MoneyRequest:
    return MoneyRequest.objects.get()


class TestWithoutAPolicy:
    """Done at once."""

    @pytest.mark.parametrize(
        ("kind", "amount", "client", "credit", "house", "transfer_kind"),
        [
            (DEPOSIT, "80", "1080", "0", ("funding", "-1080"), "deposit"),
            (WITHDRAWAL, "80", "920", "0", ("funding", "-920"), "withdrawal"),
            (ADJUSTMENT, "80", "1080", "0", ("house", "-80"), "adjustment"),
            (ADJUSTMENT, "-80", "920", "0", ("house", "80"), "adjustment"),
            (CREDIT, "80", "1000", "80", ("house", "-80"), "credit"),
            (BONUS, "80", "1000", "80", ("house", "-80"), "bonus"),
        ],
    )
    def test_each_kind_moves_between_its_two_parties(
        self,
        account: TradingAccount,
        officer: User,
        kind: MoneyKind,
        amount: str,
        client: str,
        credit: str,
        house: tuple[str, str],
        transfer_kind: str,
    ) -> None:
        asked = ask_money(kind, account, amount, by_whom=officer)

        usd = account.currency
        assert (money(account, usd), money(account, usd, LedgerKind.CREDIT)) == ((client, "0"), (credit, "0"))
        assert money(None, usd, LedgerKind(house[0])) == (house[1], "0")
        done = asked.request
        assert (done.state, done.held, done.approval) == ("done", 0, None)
        assert done.transfer_id is not None
        transfer = Transfer.objects.get(id=done.transfer_id)
        assert (transfer.kind, short(transfer.amount), transfer.request_id) == (transfer_kind, "80", "one")
        assert (transfer.actor_id, transfer.reason) == (officer.pk, "in writing")
        record = AuditRecord.objects.get(action=f"accounts.money.{transfer_kind}", actor_id=officer.pk)
        assert (record.reason, record.after["transfer"]) == ("in writing", transfer.pk)

    def test_a_transfer_goes_to_another_account_of_the_same_person(
        self, account: TradingAccount, usd: Asset
    ) -> None:
        other = make_account(currency=make_asset(), user=account.user)

        ask_money(TRANSFER, account, "80", to_account_id=other.pk)

        assert (money(account, usd), money(other, usd)) == (("920", "0"), ("80", "0"))
        assert Transfer.objects.latest("id").kind == "internal"

    def test_credit_can_be_taken_back_but_not_spent(self, account: TradingAccount, usd: Asset) -> None:
        ask_money(CREDIT, account, "50")

        assert refused(lambda: ask_money(WITHDRAWAL, account, "1000.01", "two")).code == (
            Code.INSUFFICIENT_FUNDS
        )
        assert refused(lambda: ask_money(CREDIT, account, "-50.01", "three")).code == Code.INSUFFICIENT_FUNDS
        ask_money(CREDIT, account, "-50", "four")
        assert money(account, usd, LedgerKind.CREDIT) == ("0", "0")

    def test_evidence_is_kept_and_shown_to_who_decides(self, account: TradingAccount) -> None:
        needs_approval(DEPOSIT)
        asked = ask_money(DEPOSIT, account, "1", reference=" SWIFT 4711 ", document_hash="ab" * 32).request

        assert (stored().reference, stored().document_hash) == ("SWIFT 4711", "ab" * 32)
        assert asked.approval is not None
        assert asked.approval.effects[-2:] == [
            ["Reference", "", "SWIFT 4711"],
            ["Document (SHA-256)", "", "ab" * 32],
        ]


class TestIdempotency:
    def test_the_same_wish_again_is_the_same_request(self, account: TradingAccount, usd: Asset) -> None:
        first = ask_money(WITHDRAWAL, account, "600")

        again = ask_money(WITHDRAWAL, account, "600.00", now=LATER)

        assert (again.request.pk, first.repeated, again.repeated) == (first.request.pk, False, True)
        assert money(account, usd) == ("400", "0")

    def test_also_while_it_waits(self, account: TradingAccount, usd: Asset) -> None:
        needs_approval(WITHDRAWAL)
        ask_money(WITHDRAWAL, account, "600")

        assert ask_money(WITHDRAWAL, account, "600").repeated
        assert money(account, usd) == ("1000", "600")

    @pytest.mark.parametrize(
        "other",
        [
            {"amount": "600.01"},
            {"kind": DEPOSIT},
            {"reason": "another"},
            {"reference": "another"},
            {"document_hash": "00" * 32},
        ],
    )
    def test_another_payload_is_a_conflict(self, account: TradingAccount, other: dict[str, Any]) -> None:
        ask_money(WITHDRAWAL, account, "60")
        values = {"kind": WITHDRAWAL, "amount": "60"} | other

        refusal = refused(lambda: ask_money(values.pop("kind"), account, values.pop("amount"), **values))

        assert (refusal.code, refusal.status) == (Code.REQUEST_ID_CONFLICT, 409)

    def test_one_identity_serves_people_and_the_platform(self, account: TradingAccount) -> None:
        values: dict[str, Any] = {"account_id": account.pk, "asset": "USD", "amount": Decimal(5)}
        how: dict[str, Any] = {"reason": "in writing", "actor": ACTOR, "now": NOW}
        ask_money(DEPOSIT, account, "5")
        deposit(request_id="two", **values, **how)

        assert refused(lambda: deposit(request_id="one", **values, **how)).code == Code.REQUEST_ID_CONFLICT
        assert refused(lambda: ask_money(DEPOSIT, account, "5", "two")).code == Code.REQUEST_ID_CONFLICT


class TestWithAPolicy:
    """Held, then done or released."""

    def test_a_withdrawal_holds_its_amount_until_it_is_paid(
        self, account: TradingAccount, usd: Asset
    ) -> None:
        needs_approval(WITHDRAWAL)
        asked = ask_money(WITHDRAWAL, account, "80").request
        assert (asked.state, asked.held, money(account, usd)) == ("requested", 80, ("1000", "80"))
        assert asked.approval is not None
        assert asked.approval.effects == [
            [f"{account} held, at once", "0.00 USD", "80.00 USD"],
            [f"{account} available, at once", "1\u202f000.00 USD", "920.00 USD"],
            [f"{account} held, when approved", "80.00 USD", "0.00 USD"],
            [f"{account} balance, when approved", "1\u202f000.00 USD", "920.00 USD"],
            ["Other side of the transfer", "", "Funding: the outside world"],
        ]

        checker = make_user(Role.COMPLIANCE_OFFICER)
        decided(asked, by_whom=checker, now=LATER)

        assert (stored().state, stored().held, money(account, usd)) == ("done", 0, ("920", "0"))
        record = AuditRecord.objects.get(action="accounts.money.withdrawal")
        assert (record.actor_id, record.reason) == (checker.pk, "in writing")
        assert record.after["approval"] == asked.approval_id
        assert Transfer.objects.latest("id").actor_id == account.user_id

    @pytest.mark.parametrize("end", ["rejected", "cancelled", "expired"])
    def test_what_ends_it_releases_the_hold(self, account: TradingAccount, usd: Asset, end: str) -> None:
        needs_approval(WITHDRAWAL)
        asked = ask_money(WITHDRAWAL, account, "80").request
        assert asked.approval is not None
        if end == "rejected":
            decided(asked, approve=False)
        elif end == "cancelled":
            cancel(approval_id=asked.approval.pk, actor=by(account.user), now=LATER, reason="no more")
        else:
            expire_due(now=asked.approval.expires_at)

        assert (stored().state, stored().held, money(account, usd)) == (end, 0, ("1000", "0"))
        assert Transfer.objects.filter(kind="withdrawal").count() == 0

    @pytest.mark.parametrize("kind", [DEPOSIT, TRANSFER, CREDIT, BONUS, ADJUSTMENT])
    def test_the_others_hold_nothing_and_are_done_when_approved(
        self, account: TradingAccount, usd: Asset, officer: User, kind: MoneyKind
    ) -> None:
        needs_approval(kind)
        other = make_account(currency=usd, user=account.user)
        to: dict[str, Any] = {"to_account_id": other.pk} if kind == TRANSFER else {}

        asked = ask_money(kind, account, "80", by_whom=officer, **to).request
        assert (asked.state, asked.held, money(account, usd)) == ("requested", 0, ("1000", "0"))
        decided(asked)

        assert stored().state == "done"
        assert short(Transfer.objects.latest("id").amount) == "80"

    def test_a_withdrawal_that_waits_cannot_be_spent(self, account: TradingAccount, usd: Asset) -> None:
        needs_approval(WITHDRAWAL)
        ask_money(WITHDRAWAL, account, "800")

        refusal = refused(lambda: ask_money(WITHDRAWAL, account, "200.01", "two"))

        assert (refusal.code, refusal.context["available"], refusal.context["held"]) == (
            Code.INSUFFICIENT_FUNDS,
            "200",
            "800",
        )
        other = make_account(currency=usd, user=account.user)
        assert (
            refused(lambda: ask_money(TRANSFER, account, "200.01", "three", to_account_id=other.pk)).code
            == Code.INSUFFICIENT_FUNDS
        )
        assert refused(lambda: ask_money(ADJUSTMENT, account, "-200.01", "four")).code == (
            Code.INSUFFICIENT_FUNDS
        )

    def test_when_the_funds_have_gone_it_stays_pending_and_says_so(
        self, account: TradingAccount, usd: Asset, officer: User
    ) -> None:
        needs_approval(ADJUSTMENT)
        asked = ask_money(ADJUSTMENT, account, "-600", by_whom=officer).request
        ask_money(WITHDRAWAL, account, "500", "two")

        refusal = refused(lambda: decided(asked))

        assert (refusal.code, refusal.context["available"]) == (Code.INSUFFICIENT_FUNDS, "500")
        assert MoneyRequest.objects.get(pk=asked.pk).state == "requested"

    def test_the_account_is_looked_at_again(self, account: TradingAccount) -> None:
        needs_approval(WITHDRAWAL)
        asked = ask_money(WITHDRAWAL, account, "80").request
        TradingAccount.objects.filter(pk=account.pk).update(is_locked=True)

        assert refused(lambda: decided(asked)).code == Code.ACCOUNT_LOCKED

        decided(asked, approve=False)
        assert money(account, account.currency) == ("1000", "0")

    def test_the_limit_is_looked_at_again_and_does_not_count_it_twice(self, account: TradingAccount) -> None:
        needs_approval(WITHDRAWAL)
        limits = {"daily": Decimal(80), "monthly": Decimal(80)}
        change_limit(level=3, changes=limits, actor=ACTOR, now=NOW, reason="test")
        asked = ask_money(WITHDRAWAL, account, "80").request
        User.objects.filter(pk=account.user_id).update(kyc_level=0)

        assert refused(lambda: decided(asked)).code == Code.KYC_LIMIT_EXCEEDED

        User.objects.filter(pk=account.user_id).update(kyc_level=3)
        decided(asked)
        assert stored().state == "done"

    def test_an_operator_who_lost_the_right_makes_nothing_happen(
        self, account: TradingAccount, officer: User
    ) -> None:
        needs_approval(WITHDRAWAL)
        asked = ask_money(WITHDRAWAL, account, "80", by_whom=officer).request
        UserRole.objects.filter(user=officer).delete()

        assert refused(lambda: decided(asked)).code == Code.MAKER_LOST_RIGHT

    def test_nor_does_a_client_who_was_deactivated(self, account: TradingAccount) -> None:
        needs_approval(WITHDRAWAL)
        asked = ask_money(WITHDRAWAL, account, "80").request
        User.objects.filter(pk=account.user_id).update(is_active=False)

        assert refused(lambda: decided(asked)).code == Code.MAKER_LOST_RIGHT

    def test_the_client_never_approves_their_own(self, account: TradingAccount) -> None:
        needs_approval(WITHDRAWAL)
        UserRole.objects.create(user=account.user, role=Role.COMPLIANCE_OFFICER)
        asked = ask_money(WITHDRAWAL, account, "80").request

        assert refused(lambda: decided(asked, by_whom=account.user)).code == Code.MAKER_IS_CHECKER

    def test_a_threshold_in_another_asset_is_converted_or_counts_as_passed(self) -> None:
        needs_approval(DEPOSIT, above=Decimal(100), asset="USD")
        dollars()
        unknown = make_account(currency=make_asset())

        assert ask_money(DEPOSIT, unknown, "0.00000001").request.state == "requested"


class TestTakingBack:
    def take_back(self, money: MoneyRequest, user: User, **changes: Any) -> MoneyRequest:
        values: dict[str, Any] = {"money_id": money.pk, "account_id": money.account_id, "reason": "no more"}
        return cancel_money(actor=by(user), now=LATER, **(values | changes))

    def test_the_owner_takes_an_open_one_back_once(self, account: TradingAccount, usd: Asset) -> None:
        needs_approval(WITHDRAWAL)
        asked = ask_money(WITHDRAWAL, account, "80").request

        assert self.take_back(asked, account.user).state == "cancelled"
        assert money(account, usd) == ("1000", "0")
        refusal = refused(lambda: self.take_back(asked, account.user))
        assert (refusal.code, refusal.context["state"]) == (Code.REQUEST_NOT_OPEN, "cancelled")

    def test_what_is_done_cannot_be_taken_back(self, account: TradingAccount) -> None:
        asked = ask_money(WITHDRAWAL, account, "80").request

        assert refused(lambda: self.take_back(asked, account.user)).code == Code.REQUEST_NOT_OPEN

    def test_nor_what_an_operator_asked_for(self, account: TradingAccount, officer: User) -> None:
        needs_approval(WITHDRAWAL)
        asked = ask_money(WITHDRAWAL, account, "80", by_whom=officer).request

        assert refused(lambda: self.take_back(asked, account.user)).code == Code.REQUEST_NOT_OPEN

    def test_another_accounts_is_not_there(self, account: TradingAccount) -> None:
        needs_approval(WITHDRAWAL)
        asked = ask_money(WITHDRAWAL, account, "80").request

        assert refused(lambda: self.take_back(asked, account.user, account_id=account.pk + 1)).code == (
            Code.REQUEST_NOT_FOUND
        )


def test_system_acts_are_not_asked_about(account: TradingAccount, usd: Asset) -> None:
    needs_approval(DEPOSIT)
    needs_approval(WITHDRAWAL)

    values: dict[str, Any] = {
        "account_id": account.pk,
        "asset": "USD",
        "reason": "x",
        "actor": ACTOR,
        "now": NOW,
    }
    deposit(amount=Decimal(5), request_id="a", **values)
    withdraw(amount=Decimal(2), request_id="b", **values)

    assert (money(account, usd), ApprovalRequest.objects.count()) == (("1003", "0"), 0)
