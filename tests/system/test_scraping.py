"""GET /metrics: who may look, what is there, and what is said when a server is away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings
from redis import Redis

from accounts.models import ProofRun, Role
from django_partition.headroom import headroom
from orders.models import Phase, Shard, ShardStatus, Side
from orders.services import kill_switch
from risk.models import KillScope
from risk.models.kill_switch import NEXT_STAGE
from risk.services.kill_switch import EVERYTHING, find_target
from tests.factories import ACTOR, NOW, Market, make_market, make_user
from tests.system.counting import Figures, flat, own_hashes
from tradeplatform.common import metrics
from tradeplatform.common.db import execute
from tradeplatform.common.metrics import Publisher

pytestmark = pytest.mark.django_db

STRANGER = "203.0.113.7"
TOKEN = "a-token-of-twenty-characters"


@pytest.fixture
def market() -> Market:
    return make_market()


def scraped(client: Client) -> Figures:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return flat(list(text_string_to_metric_families(answer.content.decode())))


def test_a_neighbour_reads_the_text_of_prometheus(client: Client) -> None:
    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.content.decode().count("# TYPE tradeplatform_outcome_seconds histogram") == 1


@pytest.mark.parametrize("token", ["", TOKEN])
@pytest.mark.parametrize("sent", ["", "Bearer ", f"Bearer {TOKEN}x", f"bearer {TOKEN}", TOKEN, "Bearer \xff"])
def test_to_a_stranger_it_is_not_there(client: Client, settings: Settings, token: str, sent: str) -> None:
    settings.METRICS_TOKEN = token

    answer = client.get("/metrics", REMOTE_ADDR=STRANGER, HTTP_AUTHORIZATION=sent)

    assert answer.status_code == 404
    assert b"tradeplatform_" not in answer.content


def test_a_session_opens_nothing(client: Client) -> None:
    client.force_login(make_user(Role.SUPER_ADMIN))

    assert client.get("/metrics", REMOTE_ADDR=STRANGER).status_code == 404


def test_a_stranger_with_the_token_may_look(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN

    answer = client.get("/metrics", REMOTE_ADDR=STRANGER, HTTP_AUTHORIZATION=f"Bearer {TOKEN}")

    assert answer.status_code == 200


def test_behind_a_proxy_the_address_is_whom_the_proxy_names(client: Client, settings: Settings) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}

    named = {STRANGER: 404, f"127.0.0.1, {STRANGER}": 404, f"{STRANGER}, 127.0.0.1": 200}
    for forwarded, status in named.items():
        assert client.get("/metrics", HTTP_X_FORWARDED_FOR=forwarded).status_code == status, forwarded


def test_it_is_only_read(client: Client) -> None:
    assert client.post("/metrics").status_code == 404


def test_shards_books_and_partitions_as_they_are(client: Client, market: Market) -> None:
    market.buy(market.trader(), 1, 49000)
    market.drain()
    late = market.request(market.trader(), Side.BUY, 1, 49000)
    market.send(late, now=timezone.now() - timedelta(seconds=90))
    Shard.objects.filter(pk=market.shard.id).update(status=ShardStatus.STOPPED)
    shard = str(market.shard.id)

    found = scraped(client)

    assert found["shard_running", shard] == 0
    assert (found["shard_epoch", shard], found["shard_position", shard]) == (1, 1)
    assert found["shard_waiting_commands", shard] == 1
    assert 90 <= found["shard_lag_seconds", shard] < 120
    assert found["book_age_seconds", market.symbol] > 0
    assert (found["database_up",], found["valkey_up",]) == (1, 1)


def test_a_book_that_is_not_open_is_not_stale(client: Client, market: Market) -> None:
    market.buy(market.trader(), 1, 49000)
    market.drain()
    assert ("book_age_seconds", market.symbol) in scraped(client)
    book = market.book()
    book.phase = Phase.HALTED
    book.save()

    assert ("book_age_seconds", market.symbol) not in scraped(client)


@pytest.mark.parametrize(("holds", "breaches"), [([True, True], 0), ([True, False, False], 2)])
def test_the_newest_proof_says_how_many_invariants_are_broken(
    client: Client, holds: list[bool], breaches: int
) -> None:
    assert ("invariant_breaches",) not in scraped(client)
    ago = timezone.now() - timedelta(hours=1)
    for findings in ([{"holds": False}], [{"holds": one} for one in holds]):
        ProofRun.objects.create(
            at=ago, seconds=1, holds=all(holds), actor_label="test", findings=findings, balances=[]
        )

    found = scraped(client)

    assert found["invariant_breaches",] == breaches
    assert 3_600 <= found["proof_age_seconds",] < 3_700


def test_what_the_kill_switch_stops_by_scope_and_stage(client: Client, market: Market) -> None:
    nothing = scraped(client)
    assert {nothing["kill_switches", scope, stage] for scope in KillScope for stage in NEXT_STAGE} == {0}
    for trader in (market.trader(), market.trader()):
        target = find_target(KillScope.ACCOUNT, trader.account_number)
        kill_switch.press(target=target, actor=ACTOR, now=NOW, reason="Looks wrong", keep_orders=True)
    kill_switch.press(target=EVERYTHING, actor=ACTOR, now=NOW, reason="A fire")

    found = scraped(client)

    assert found["kill_switches", "account", "no_orders"] == 2
    assert found["kill_switches", "global", "stopped"] == 1
    assert sum(found["kill_switches", scope, stage] for scope in KillScope for stage in NEXT_STAGE) == 3


def test_a_global_switch_that_is_missing_counts_as_stopped(client: Client) -> None:
    execute("TRUNCATE risk_killswitch CASCADE")

    assert scraped(client)["kill_switches", "global", "stopped"] == 1


def test_without_valkey_the_database_still_speaks(
    client: Client, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Redis(port=1, socket_connect_timeout=1)
    monkeypatch.setattr(metrics, "client", lambda: nowhere)

    found = scraped(client)

    assert found["valkey_up",] == 0
    assert found["database_up",] == 1
    assert found["shard_running", str(market.shard.id)] == 1


@pytest.mark.django_db(databases=[])
def test_counts_come_without_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    own_hashes(monkeypatch)
    Publisher().publish()
    monkeypatch.setattr("tradeplatform.system.scraping.figures", _away)

    found = scraped(client)

    assert found["database_up",] == 0
    assert ("orders_accepted_total", "api") in found


def test_headroom_ends_with_the_first_gap(client: Client) -> None:
    long_ago = datetime(2001, 2, 10, tzinfo=UTC)
    assert headroom(long_ago, "default")["orders_event"] == timedelta(0)

    _partition("2001-02-01", "2001-03-01")
    _partition("2001-03-01", "2001-04-01")
    _partition("2001-05-01", "2001-06-01")

    assert headroom(long_ago, "default")["orders_event"] == timedelta(days=18 + 1 + 31)
    assert ("partition_headroom_days", "orders_event") in scraped(client)


def _partition(lower: str, upper: str) -> None:
    name = f"orders_event_{lower.replace('-', '_')}"
    bounds = f"FROM ('{lower} 00:00Z') TO ('{upper} 00:00Z')"
    execute(f"CREATE TABLE {name} PARTITION OF orders_event FOR VALUES {bounds}")


def _away(_now: object) -> list[object]:
    from django.db import OperationalError  # noqa: PLC0415

    raise OperationalError("away")
