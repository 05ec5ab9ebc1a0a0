"""Every page of the back office in a real browser, in both themes: no complaint, a picture of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Page

from accounts.models import LedgerAccount, LedgerKind, TradingAccount, Transfer, User
from audit.actor import Actor
from audit.models import AuditRecord
from audit.services.recording import record
from instruments.models import Asset, Instrument
from orders.models import Book, Command, Event, Fill, Order, Shard, Trade
from orders.services import phases
from tests.admin.registry import PAGES, act, address
from tests.factories import Market, make_instrument
from tests.screens.conftest import Scene
from tests.screens.watching import Watch
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.system.models import Minute

pytestmark = pytest.mark.live


def lists(_scene: Scene) -> dict[str, str]:
    _an_hour_of_minutes()
    return {page.opts.label_lower.replace(".", "-"): page.url_of_list() for page in PAGES} | {
        "dashboard": "/admin/",
        "markets": "/admin/market/",
        "partitions": "/admin/django_partition/partitionedtable/",
        "partition": "/admin/django_partition/partitionedtable/orders_order/change/",
        "proof": "/admin/accounts/proofrun/now/",
        "report": "/admin/report/",
        "system": "/admin/system/",
        "report-house": "/admin/report/?by=house",
        "orders-parked": "/admin/orders/order/?status=parked",
    }


def _an_hour_of_minutes() -> None:
    """Something for the charts of the system page to draw."""
    now = timezone.now().replace(second=0, microsecond=0)
    for place in range(60):
        sums = {
            "accepted": place * place * 20,
            "requests": place * 1_000,
            "errors": place // 9,
            "outcomes": {"0.02": place * 90, "0.1": place * 99, "+Inf": place * 100},
            "lag": place % 7 / 10,
        }
        Minute.objects.update_or_create(at=now - timedelta(minutes=60 - place), defaults={"sums": sums})


def details(scene: Scene) -> dict[str, str]:
    bitcoin = Instrument.objects.get(symbol="BTCUSDT")
    newest = {model: model.objects.order_by("-pk")[0].pk for model in (Transfer, Command, Fill)}
    trade = Trade.objects.filter(instrument=bitcoin).order_by("-pk")[0]
    cancel = AuditRecord.objects.filter(action="orders.order.cancel").order_by("-pk")[0]
    pages = [
        (Order, scene.part_filled), (Trade, trade.pk), (Event, trade.pk), (AuditRecord, cancel.pk),
        (Instrument, bitcoin.pk), (Asset, bitcoin.base_id), (Book, bitcoin.pk),
        (Shard, bitcoin.book.shard_id), (TradingAccount, scene.taker.pk), (User, scene.taker.user_id),
        *newest.items(),
    ]  # fmt: skip
    named = {
        "margin-account": (TradingAccount, scene.margin.pk),
        "order-stop": (Order, scene.stop),
        "order-iceberg": (Order, scene.iceberg),
        "order-exit": (Order, scene.exit),
        "instrument-auction": (Instrument, scene.auction.pk),
        "book-auction": (Book, scene.auction.pk),
    }
    statement = f"/admin/accounts/tradingaccount/{scene.taker.pk}/statement/"
    return (
        {"statement": statement}
        | {f"{model._meta.model_name}-page": address(model, "change", key) for model, key in pages}
        | {f"{name}-page": address(model, "change", key) for name, (model, key) in named.items()}
    )


def forms(scene: Scene) -> dict[str, str]:
    bitcoin = Instrument.objects.get(symbol="BTCUSDT").pk
    buttons = [
        (Order, scene.part_filled, "cancel"), (TradingAccount, scene.taker.pk, "deposit"),
        (TradingAccount, scene.taker.pk, "lock"), (TradingAccount, scene.taker.pk, "cancel-all"),
        (Instrument, bitcoin, "halt"), (Instrument, bitcoin, "edit"), (Instrument, scene.halted.pk, "resume"),
        *((Instrument, bitcoin, name) for name in ("close", "auction", "cancel-only", "mass-cancel")),
        (Instrument, scene.halted.pk, "pre-open"), (Instrument, scene.auction.pk, "end-auction"),
        (Order, scene.stop, "amend"),
        (User, scene.taker.user_id, "grant"), (User, scene.taker.user_id, "password"),
        (User, scene.taker.user_id, "identity"), (Transfer, Transfer.objects.latest("id").pk, "correct"),
    ]  # fmt: skip
    return {f"{model._meta.model_name}-{name}": act(model, key, name) for model, key, name in buttons} | {
        "instrument-add": address(Instrument, "new", "add")
    }


# A slow machine may take its time: two pictures of each of many pages.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("theme", ["dark"], indirect=True)
@pytest.mark.parametrize("pages", [lists, details, forms])
def test_every_page_opens_without_a_complaint(
    scene: Scene, watch: Watch, pages: Callable[[Scene], dict[str, str]]
) -> None:
    for name, url in pages(scene).items():
        watch.visit(url)
        watch.keep_both(name)

    assert watch.problems == []


@pytest.mark.parametrize("width", [1280, 1440])
@pytest.mark.parametrize("theme", ["light"], indirect=True)
def test_the_last_column_of_the_busiest_lists_is_in_view(
    scene: Scene, page: Page, watch: Watch, width: int
) -> None:
    """With the longest that usually stands in them: every kind of order, long names, an IPv6 address."""
    page.set_viewport_size({"width": width, "height": 900})
    operator = User.objects.get(username="admin")
    with transaction.atomic():
        record(
            actor=Actor.user(
                user_id=operator.pk,
                label="margarethe.hohenzollern",
                ip="2001:db8:85a3:8d3:1319:8a2e:370:7348",
            ),
            action="reconciliation.statement_source.change",
            target_type="instruments.instrument",
            target_id=scene.auction.pk,
            target_label="Statement source of the custodian in Frankfurt, ETHUSDT-DEMO",
            reason="the custodian sends its statements with other headings since the first of the month",
            now=timezone.now(),
        )
    for model in (Order, Trade, AuditRecord):
        url = address(model, "changelist")
        watch.visit(url)
        page.wait_for_selector(".bo-list .simplebar-content-wrapper")
        watch.look(url)
        watch.keep(f"light-{width}-{model._meta.model_name}")

    assert watch.problems == []


@pytest.mark.parametrize("theme", ["light"], indirect=True)
def test_a_chart_of_the_system_that_has_no_value_says_why(page: Page, watch: Watch) -> None:
    """A quiet hour: minutes were measured, but no order had an outcome."""
    at = [int(timezone.now().timestamp()) - 60 * (5 - place) for place in range(5)]
    zero, nothing = [0] * len(at), [None] * len(at)
    minutes = {"at": at, "accepted": zero, "lag_seconds": zero, "errors_percent": zero} | dict.fromkeys(
        ("p50_ms", "p95_ms"), nothing
    )
    page.route("**/system/minutes/", lambda route: route.fulfill(json=minutes))
    watch.visit("/admin/system/")

    page.wait_for_selector("[data-chart=outcome] >> text=No order had its outcome in this hour")

    watch.keep("light-system-quiet")
    assert page.locator(".sys-none:visible").count() == 1
    assert watch.problems == []


@pytest.mark.parametrize("theme", ["light"], indirect=True)
class TestByHand:
    def test_from_an_order_to_the_person_in_clicks(self, scene: Scene, page: Page, watch: Watch) -> None:
        watch.visit("/admin/orders/order/")
        page.fill("#searchbar", str(scene.part_filled))
        page.click("text=Show")
        page.click(f"#result_list >> text={scene.part_filled}")
        page.click(f"a:has-text('{scene.taker.account_number}')")
        page.click("dd a >> nth=0")

        assert page.inner_text("h2.bo-title").startswith(scene.taker.user.username)
        assert watch.problems == []

    def test_a_deposit_is_asked_shown_and_made(self, scene: Scene, page: Page, watch: Watch) -> None:
        watch.visit(address(TradingAccount, "change", scene.taker.pk))
        page.click("text=Deposit")
        page.select_option("select[name=asset]", "USD")
        page.fill("input[name=amount]", "1250.5")
        page.fill("textarea[name=reason]", "bank statement 17")
        page.click("text=Show the effect")
        watch.keep("light-deposit-confirm")
        assert page.inner_text("table.bo-effects").count("→") == 4
        page.click("text=Yes, deposit")

        assert "Deposited 1\u202f250.50000000 USD:" in page.inner_text("#main")
        assert Transfer.objects.latest("id").reason == "bank statement 17"
        assert watch.problems == []

    def test_a_mass_cancel_is_counted_shown_and_made(self, scene: Scene, page: Page, watch: Watch) -> None:
        market = Market(scene.auction, None)  # type: ignore[arg-type]
        market.buy(scene.maker, 1, 45000)
        market.buy(scene.maker, 1, 45010)
        watch.visit(act(Instrument, scene.auction.pk, "mass-cancel"))
        page.fill("input[name=account]", scene.maker.account_number)
        page.select_option("select[name=side]", "buy")
        page.fill("textarea[name=reason]", "client asked by phone")
        page.click("text=Show the effect")
        watch.keep("light-mass-cancel-confirm")
        page.click("text=Yes, mass cancel")

        assert "The mass cancel is on its way" in page.inner_text("#main")
        wait_for(
            lambda: (
                not Order.objects.live()
                .filter(instrument=scene.auction, account=scene.maker, side="buy")
                .exists()
            ),
            "the mass cancel to be applied",
        )
        assert watch.problems == []

    def test_the_page_shows_the_answer_of_the_book_by_itself(self, page: Page, watch: Watch) -> None:
        market = make_instrument()
        phases.halt_instrument(
            symbol=market.symbol, actor=Actor.system("screens"), now=timezone.now(), reason="news pending"
        )
        wait_for(lambda: not Command.objects.filter(status="pending").exists(), "the halt")
        watch.visit(act(Instrument, market.pk, "pre-open"))
        page.fill("textarea[name=reason]", "the day begins")
        page.click("button:has-text('Pre-open')")

        assert "This page shows the book's answer" in page.inner_text("#main")
        page.wait_for_selector("h2.bo-title:has-text('Pre-open')")
        assert "is on its way" in page.inner_text("#main")
        assert watch.problems == []

    def test_a_refusal_is_shown_beside_its_field(self, scene: Scene, page: Page) -> None:
        page.goto(act(TradingAccount, scene.taker.pk, "withdraw"))
        page.select_option("select[name=asset]", "USDT")
        page.fill("input[name=amount]", "999999999999")
        page.fill("textarea[name=reason]", "too much")
        page.click("text=Show the effect")

        assert "is available" in page.inner_text(".errors")

    def test_the_first_page_has_room_for_a_long_silence(self, scene: Scene, page: Page, watch: Watch) -> None:
        Shard.objects.filter(id=2).update(drained_at=timezone.now() - timedelta(days=12, hours=13))
        page.set_viewport_size({"width": 1280, "height": 800})
        watch.visit("/admin/")

        assert "12 d 13 h ago" in page.inner_text("#bo-live")
        clipped = (
            "[...document.querySelectorAll('.bo-scroll')].filter(one => one.scrollWidth > one.clientWidth)"
        )
        assert page.evaluate(f"{clipped}.length") == 0
        assert watch.problems == []

    def test_a_proof_is_made_while_one_looks(self, scene: Scene, page: Page, watch: Watch) -> None:
        watch.visit("/admin/accounts/proofrun/now/")
        page.click("text=Check now")
        page.wait_for_selector("#proof-progress >> text=stored as", timeout=60_000)
        watch.keep("light-proof-checked")

        assert page.inner_text("#proof-result") == "All hold"
        assert page.locator("#proof-history tbody tr").count() >= 1
        assert page.locator("#content-main .bo-bad").count() == 0
        assert watch.problems == []

    def test_a_statement_is_shown_and_downloaded(self, scene: Scene, page: Page, watch: Watch) -> None:
        watch.visit(address(TradingAccount, "change", scene.taker.pk))
        page.click("text=Today")
        watch.keep("light-statement-today")
        # A chart for each asset: the two of the market, and dollars where a deposit was made before.
        assets = LedgerAccount.objects.filter(
            account=scene.taker, kind=LedgerKind.CLIENT, moved_at__isnull=False
        )
        assert page.locator("svg.bo-steps").count() == assets.count() >= 2
        with page.expect_download() as download:
            page.click("a:has-text('PDF')")

        assert download.value.suggested_filename.endswith(".pdf")
        assert watch.problems == []

    def test_the_dashboard_keeps_itself_fresh(self, scene: Scene, page: Page, watch: Watch) -> None:
        watch.visit("/admin/")
        before = page.inner_text("#bo-live time >> nth=0")

        page.wait_for_function(
            "(before) => document.querySelector('#bo-live time').innerText !== before", arg=before
        )

        assert watch.problems == []
