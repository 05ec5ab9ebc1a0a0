"""Every page opens: each list, each detail page, the markets and the dashboard, read from the registry."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.sites import all_sites
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, TradingAccount, TradingGroup, User
from audit.actor import Actor
from audit.services.recording import record
from instruments.models import Instrument, Realm
from orders.admin import show as trading
from risk.models import KillSwitch
from tests.admin.conftest import Lived, SignIn
from tests.admin.registry import MODELS, PAGES, address
from tests.factories import make_account, make_instrument, make_market
from tradeplatform.common.admin.filters import BarFilter

EIGHTEEN_DIGITS = re.compile(r"\d\.\d{15,}")


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


def test_each_table_of_an_operator_has_a_page() -> None:
    labels = {model._meta.label_lower for model in admin.site._registry}

    assert labels == {
        "accounts.apikey", "accounts.ratetier", "accounts.session",
        "accounts.kyclimit", "accounts.ledgeraccount", "accounts.moneyrequest", "accounts.position",
        "accounts.proofrun", "accounts.tradingaccount", "accounts.tradinggroup", "accounts.transfer",
        "accounts.user", "audit.approvalpolicy", "audit.approvalrequest", "audit.auditrecord",
        "django_partition.partitionedtable", "history.correction", "history.externaltrade",
        "history.frozenperiod", "history.liveposition", "history.portfolio", "history.refusedtrade",
        "instruments.asset", "instruments.instrument", "instruments.quote", "marketdata.pricealert",
        "orders.book", "orders.command", "orders.event", "orders.fill", "orders.order", "orders.quarantine",
        "orders.shard", "orders.trade",
        "reconciliation.break", "reconciliation.importedstatement", "reconciliation.match",
        "reconciliation.reconciliationrun", "reconciliation.statementline",
        "reconciliation.statementsource", "reconciliation.statementupload",
        "risk.killswitch",
    }  # fmt: skip
    assert len(all_sites) == 1


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label_lower)
class TestEveryList:
    def test_opens_and_shows_its_rows(self, model: Any, boss: Client, lived: Lived) -> None:
        answer = boss.get(address(model, "changelist"))

        assert answer.status_code == 200
        assert answer.context["cl"].result_list
        assert not EIGHTEEN_DIGITS.search(answer.content.decode())

    @pytest.mark.parametrize("query", ["q=x", "q=%00", "status=%00", "status=none"])
    def test_answers_an_address_typed_by_hand(
        self, model: Any, boss: Client, lived: Lived, query: str
    ) -> None:
        assert boss.get(f"{address(model, 'changelist')}?{query}").status_code in {200, 302, 400}

    def test_detail_opens(self, model: Any, boss: Client, lived: Lived) -> None:
        answer = boss.get(address(model, "change", lived.rows[model._meta.label_lower]))

        assert answer.status_code == 200
        assert answer.context["panels"]
        assert not EIGHTEEN_DIGITS.search(answer.content.decode())

    def test_detail_of_nothing_is_not_found(self, model: Any, boss: Client) -> None:
        assert boss.get(address(model, "change", 999_999_999)).status_code == 404
        assert boss.get(address(model, "change", "x")).status_code == 404

    def test_nothing_is_added_or_deleted_in_place(self, model: Any, boss: Client, lived: Lived) -> None:
        key = lived.rows[model._meta.label_lower]
        before = model.objects.count()

        assert boss.post(address(model, "add"), {}).status_code == 403
        assert boss.post(address(model, "delete", key), {"post": "yes"}).status_code == 403
        boss.post(address(model, "change", key), {"name": "x"})

        assert model.objects.count() == before


def test_dashboard_shows_what_happened(boss: Client, lived: Lived) -> None:
    answer = boss.get(reverse("admin:index"))

    assert answer.status_code == 200
    labels = [tile["label"] for tile in answer.context["tiles"]]
    assert labels == [
        "Orders in the last minute",
        "Trades in the last minute",
        "Commands waiting on the slowest shard",
        "Stopped by kill switch",
        "Instruments stopped",
    ]
    assert lived.market.symbol in answer.content.decode()


def test_a_chart_of_the_dashboard_without_a_bar_says_so(boss: Client) -> None:
    page = boss.get(reverse("admin:index")).content.decode()

    assert "No orders in these 30 minutes." in page
    assert "No trades in these 30 minutes." in page
    assert "at most 0" not in page


def test_acts_by_hand_are_those_of_operators(boss: Client, lived: Lived) -> None:
    """What clients ask for by themselves is in the audit trail."""
    staff, trader = User.objects.filter(is_staff=True).first(), User.objects.filter(is_staff=False).first()
    assert staff is not None
    assert trader is not None
    with transaction.atomic():
        for user, reason in ((staff, "s" * 100), (trader, "asked for by the client")):
            record(
                actor=Actor.user(user_id=user.pk, label=user.username), action="accounts.money.internal",
                target_type="accounts.user", target_id=user.pk, target_label="", reason=reason,
                now=timezone.now(),
            )  # fmt: skip

    body = boss.get(reverse("admin:index")).content.decode()

    assert f"{'s' * 79}…" in body
    assert "asked for by the client" not in body


def test_markets_lists_books_and_links_each(boss: Client, lived: Lived) -> None:
    answer = boss.get(reverse("admin:markets"))

    assert answer.status_code == 200
    assert reverse("admin:market", args=[lived.market.symbol]) in answer.content.decode()


def test_a_link_to_a_market_does_not_call_it_live(boss: Client, lived: Lived) -> None:
    demo = make_instrument(realm=Realm.DEMO)

    assert re.sub("<.*?>", "", trading.market(demo)) == demo.symbol


def test_a_market_without_a_book_is_the_one_that_is_chosen_on_its_page(boss: Client, lived: Lived) -> None:
    quiet = make_instrument()

    page = boss.get(reverse("admin:market", args=[quiet.symbol])).content.decode()

    assert f"<option selected>{quiet.symbol}</option>" in page
    assert page.count("<option selected>") == 1


def test_market_hands_the_browser_what_the_feed_needs(boss: Client, lived: Lived) -> None:
    answer = boss.get(reverse("admin:market", args=[lived.market.symbol]), headers={"host": "localhost:8000"})

    assert answer.status_code == 200
    assert answer.context["facts"] == {
        "symbol": lived.market.symbol,
        "base": lived.market.instrument.base.code,
        "quote": lived.market.instrument.quote.code,
        "price_decimals": 2,
        "quantity_decimals": 4,
        "api": f"/api/v1/instruments/{lived.market.symbol}",
        "armed": f"/admin/market/{lived.market.symbol}/armed/",
        "socket": "ws://localhost:8001/ws/v1",
    }


@pytest.mark.parametrize(
    "path", ["/admin/nothing/", "/admin/market/NOPE/", "/admin/orders/order/999999/change/"]
)
def test_an_address_of_nothing_is_a_page_with_ways_on(boss: Client, path: str) -> None:
    answer = boss.get(path)
    page = answer.content.decode()

    assert answer.status_code == 404
    assert answer.context["sidebar_navigation"]
    assert "There is nothing at this address." in page
    assert f'class="bo-button bo-primary" href="{reverse("admin:index")}"' in page
    assert re.search(r"<button[^>]*opencommand[^>]*>.*Search</button>", page)


def test_a_page_that_a_role_may_not_open_says_what_to_do(sign_in: SignIn) -> None:
    answer = sign_in(Role.SUPPORT).get(address(KillSwitch, "new", "stop"))

    assert answer.status_code == 403
    assert "None of your roles has the right to it." in answer.content.decode()


def test_a_stranger_learns_nothing_of_the_desk_from_an_address_of_nothing(client: Client, db: None) -> None:
    assert client.get("/admin/nothing/").headers["Location"].startswith(reverse("admin:login"))
    assert b"Trading platform" not in client.get("/nothing/").content


def test_every_filter_of_a_list_is_one_that_the_bar_can_show() -> None:
    filters = [(page.model._meta.label, each) for page in PAGES for each in page.list_filter]

    wrong = [
        (label, each)
        for label, each in filters
        if not (isinstance(each, type) and issubclass(each, BarFilter))
    ]
    assert wrong == []


def test_side_bar_holds_no_dead_link(boss: Client, lived: Lived) -> None:
    navigation = boss.get(reverse("admin:index")).context["sidebar_navigation"]

    links = [item["link"] for group in navigation for item in group["items"]]
    assert len(links) == 47
    assert {boss.get(link).status_code for link in links} == {200}


@pytest.mark.parametrize(
    ("statuses", "note"),
    [
        ([], "All are active"),
        (["halted"], "All others are active"),
        (["halted", "closed"], "1 more are closed or collect orders"),
    ],
)
def test_the_dashboard_says_how_many_do_not_trade(statuses: list[str], note: str, boss: Client) -> None:
    for status in statuses:
        Instrument.objects.filter(pk=make_market().instrument.pk).update(status=status)

    tiles = boss.get(reverse("admin:index")).context["tiles"]

    assert next(tile["note"] for tile in tiles if tile["label"] == "Instruments stopped") == note


def test_the_list_of_accounts_leads_to_the_group_of_each(boss: Client, lived: Lived) -> None:
    group = lived.buyer.group
    assert group is not None

    page = boss.get(address(TradingAccount, "changelist")).content.decode()

    assert f'href="{address(TradingGroup, "change", group.pk)}">{group}</a>' in page


def test_accounts_are_found_by_how_they_begin(boss: Client) -> None:
    owner = User.objects.create(username="quentin-of-tests")
    quote = make_market().instrument.quote
    account = make_account(currency=quote, user=owner)
    make_account(currency=quote)

    def found(typed: str) -> list[int]:
        page = boss.get(reverse("admin:accounts_tradingaccount_changelist"), {"q": typed})
        return [row.pk for row in page.context["cl"].result_list]

    assert found(account.account_number) == found("quentin-") == [account.pk]
    assert account.pk in found(account.account_number[:-1].lower())
    assert found("uentin") == []
