"""Plain orders of many callers are placed in lists: each as if alone, or it is left to the view."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import RateTier, Scope, Secret, TradingAccount
from accounts.services import api_keys, rates, sessions
from accounts.services.key_issuing import revoke_key
from orders.api import placing
from orders.models import Command, Order
from orders.services.intake import submit_sent
from orders.services.requests import Sent
from tests.accounts.keys import make_key
from tests.api.client import Api, order_body, refused
from tests.api.plain import BATCH, DOOR, Answers, batch, plain
from tests.api.signing import SigningApi
from tests.factories import ACTOR, Market, everything_stored, tag, tokens_of
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.errors import Refusal
from tradeplatform.common.limits import PATIENCE, Limit, take
from tradeplatform.common.throttling import clock


@pytest.fixture
def token(alice: TradingAccount) -> str:
    """Alice's access token."""
    return tokens_of(alice.user).access


class TestMany:
    def test_each_is_placed_as_if_alone(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, token: str
    ) -> None:
        key = make_key(bob)
        mine, his = order_body(market, alice), order_body(market, bob, side="sell", price="50100")

        answers = Answers(
            plain(mine | {"client_order_id": "a"}, token, address="10.0.0.1", correlation_id="first"),
            plain(his, key=key, address="10.0.0.2", correlation_id="second"),
            plain(mine | {"client_order_id": "a"}, token),
            plain(mine | {"client_order_id": "a", "quantity": "2"}, token),
            plain(mine | {"quantity": "1000"}, token, correlation_id="fifth"),
        )

        assert answers.codes() == [
            (202, "pending"),
            (202, "pending"),
            (200, "pending"),
            (409, "client_order_id_conflict"),
            (400, "insufficient_funds"),
        ]
        assert list(
            Order.objects.order_by("id").values_list(
                "account_id", "actor_id", "credential", "correlation_id", "source"
            )
        ) == [
            (alice.id, alice.user_id, f"session:{_sid(token)}", "first", "api"),
            (bob.id, bob.user_id, f"key:{key.row.pk}", "second", "api"),
        ]
        assert list(Command.objects.order_by("id").values_list("correlation_id", flat=True)) == [
            "first",
            "second",
        ]
        denied = answers.told()[4]
        assert denied is not None
        assert denied.content_type == "application/problem+json"
        assert answers.said()[4] == (
            400,
            _body(Api().bearer(token).post("/orders?wait=0", mine | {"quantity": "1000"}))
            | {"correlation_id": "fifth"},
        )

    def test_batches_go_along(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, token: str
    ) -> None:
        mine = order_body(market, alice, quantity="0.1")

        answers = Answers(
            plain(mine, token),
            plain(batch(mine, mine | {"account": bob.id}, mine | {"side": "hold"}), token, path=BATCH),
        )

        (single, both) = answers.whole()
        assert (single[0], both[0]) == (202, 207)
        assert (both[1]["accepted"], both[1]["denied"]) == (1, 2)
        assert [item["status"] for item in both[1]["results"]] == [202, 404, 400]
        assert [item["error"]["code"] for item in both[1]["results"][1:]] == [
            "account_not_found",
            "invalid_field",
        ]
        assert Order.objects.count() == 2

    def test_more_than_one_transaction_takes_are_all_placed(
        self, market: Market, alice: TradingAccount, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sizes: list[int] = []

        def submitting(sent: Sequence[Sent], *, now: datetime) -> Any:
            sizes.append(len(sent))
            return submit_sent(sent, now=now)

        monkeypatch.setattr(placing, "submit_sent", submitting)
        monkeypatch.setattr(placing, "MAX_BATCH", 100)
        some = batch(*[order_body(market, alice, quantity="0.001")] * 40)

        answers = Answers(*[plain(some, token, path=BATCH) for _ in range(3)])

        assert [said and said[1]["accepted"] for said in answers.said()] == [40, 40, 40]
        assert sizes == [80, 40]

    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"type": "market", "price": None},
            {"type": "market", "price": None, "quantity": None, "quote_quantity": "500"},
            {"type": "stop", "price": None, "trigger_price": "51000", "trigger_by": "quote"},
            {"type": "take_profit_limit", "trigger_price": "49000", "price": "49100"},
            {"type": "trailing_stop", "price": None, "trail_amount": "100", "trail_step": "10"},
            {"type": "trailing_stop_limit", "price": None, "trail_percent": "1.5", "limit_offset": "5"},
            {"display_quantity": "0.1", "post_only": True},
            {"min_quantity": "0.5", "time_in_force": "ioc"},
            {"side": "sell", "reduce_only": True, "quantity": "150", "time_in_force": "ioc"},
            {"time_in_force": "gtd", "expires_at": "2999-01-31T12:00:00.5Z", "stp_mode": "expire_both"},
        ],
    )
    def test_what_is_told_is_what_was_committed(
        self, market: Market, alice: TradingAccount, token: str, change: dict[str, object]
    ) -> None:
        answers = Answers(plain(order_body(market, alice, **change), token))

        assert answers.codes() == [(202, "pending")]
        ((_status, told),) = answers.whole()
        assert told == Api().bearer(token).get(f"/orders/{told['id']}").json()

    def test_costs_no_query_more_for_more(
        self, market: Market, alice: TradingAccount, token: str, tiers_known: None
    ) -> None:
        def queries(many: int) -> int:
            asked = [plain(order_body(market, alice, quantity="0.1"), token) for _ in range(many)]
            with CaptureQueriesContext(connection) as captured:
                assert Answers(*asked).codes() == [(202, "pending")] * many
            return len(captured)

        queries(1)
        assert queries(40) == queries(1)


def _sid(token: str) -> str:
    return sessions.identify(token).sid


def _body(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = response.json()
    return found


class TestLeftToTheView:
    """Nothing is done, counted or remembered; what is wrong is for the view to say."""

    @pytest.mark.parametrize(
        "change",
        [
            {"quantity": "1e5"},
            {"side": "hold"},
            {"unknown": 1},
            {"account": 0},
            {"account": "x"},
            {"price": 1.5e300},
        ],
    )
    def test_what_cannot_be_read(
        self, market: Market, alice: TradingAccount, token: str, change: dict[str, object]
    ) -> None:
        self._is_left(plain(order_body(market, alice) | change, token))

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"side":"buy","side":"sell"}', b"\xff"])
    @pytest.mark.parametrize("path", ["/api/v1/orders", BATCH])
    def test_what_is_no_order(self, market: Market, token: str, body: bytes, path: str) -> None:
        self._is_left(plain(body, token, path=path))

    @pytest.mark.parametrize("orders", [[], [{}] * 1_001, "x", None, {"a": 1}])
    def test_what_is_no_batch(self, market: Market, token: str, orders: object) -> None:
        self._is_left(plain({"orders": orders}, token, path=BATCH))

    @pytest.mark.parametrize("query", ["wait=5001", "wait=-1", "wait=x", "wait=1&wait=2", "other=1", "wait="])
    def test_a_question_of_its_own(
        self, market: Market, alice: TradingAccount, token: str, query: str
    ) -> None:
        self._is_left(plain(order_body(market, alice), token, query=query))

    def test_anothers_account(self, market: Market, bob: TradingAccount, token: str) -> None:
        self._is_left(plain(order_body(market, bob), token))

    def test_whoever_is_nobody(self, market: Market, alice: TradingAccount, token: str) -> None:
        body = order_body(market, alice)

        self._is_left(plain(body))
        self._is_left(plain(body, token + "x"))
        self._is_left(plain(body, sent={"HTTP_AUTHORIZATION": f"Basic {token}"}))
        self._is_left(plain(body, token, sent={"HTTP_X_API_KEY": "both"}))

    def test_an_ended_session(self, market: Market, alice: TradingAccount, token: str) -> None:
        body = order_body(market, alice)
        assert Answers(plain(body, token)).codes() == [(202, "pending")]
        sessions.end_own(user_id=alice.user_id, actor=ACTOR, now=timezone.now())

        self._is_left(plain(body, token))

    def test_an_expired_token(
        self, market: Market, alice: TradingAccount, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = order_body(market, alice)
        assert Answers(plain(body, token)).codes() == [(202, "pending")]
        until = sessions.expiry_of(token).timestamp()
        monkeypatch.setattr("time.time", lambda: until)

        self._is_left(plain(body, token))

    def test_a_closed_login(self, market: Market, alice: TradingAccount, token: str) -> None:
        alice.user.is_active = False
        alice.user.save()

        self._is_left(plain(order_body(market, alice), token))

    def test_a_key_that_may_not(self, market: Market, alice: TradingAccount, bob: TradingAccount) -> None:
        body = order_body(market, alice)
        reads = make_key(alice, scopes=frozenset({Scope.READ}))
        elsewhere = make_key(alice, allowed_ips=("192.0.2.1/32",))
        his, gone = make_key(bob), make_key(alice)
        revoke_key(key_id=gone.row.pk, actor=ACTOR, now=timezone.now(), reason="test")
        api_keys.forget(key_id=gone.key_id)

        for key in (reads, elsewhere, his, gone):
            self._is_left(plain(body, key=key))

    def test_a_key_whose_secret_does_not_open(
        self, market: Market, alice: TradingAccount, token: str
    ) -> None:
        body, key = order_body(market, alice), make_key(alice)
        Secret.objects.filter(name=key.key_id).update(wrapped_key=b"not what was sealed")

        answers = Answers(plain(body, token), plain(body, key=key), plain(body, key=make_key(alice)))

        assert answers.codes() == [(202, "pending"), None, (202, "pending")]

    def test_a_signature_over_something_else(self, market: Market, alice: TradingAccount) -> None:
        asked = plain(order_body(market, alice), key=make_key(alice), query="")
        asked.http.META["RAW_URI"] += "?wait=0"

        self._is_left(asked)

    def _is_left(self, asked: Any) -> None:
        before = everything_stored()
        assert DOOR.prepare([asked]) == [None]
        assert everything_stored() == before


class TestLimits:
    def test_one_too_many_is_left_to_the_view_and_not_counted(
        self, market: Market, alice: TradingAccount, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._three_orders_a_day(alice, monkeypatch)
        body = order_body(market, alice, quantity="0.1")

        answers = Answers(*[plain(body, token) for _ in range(5)])

        assert answers.codes() == [(202, "pending")] * 3 + [None, None]
        refused(Api().bearer(token).post("/orders?wait=0", body), "too_many_orders", 429)

    def test_a_batch_is_counted_by_its_orders(
        self, market: Market, alice: TradingAccount, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._three_orders_a_day(alice, monkeypatch)
        body = order_body(market, alice, quantity="0.1")

        answers = Answers(
            plain(batch(body, body), token, path=BATCH),
            plain(batch(body, body), token, path=BATCH),
            plain(body, token),
        )

        assert [said and said[0] for said in answers.said()] == [207, None, 202]

    def test_who_is_shut_out_is_left_to_the_view(
        self, market: Market, alice: TradingAccount, token: str
    ) -> None:
        address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
        limit = Limit(f"address:{address}:call", 0, 60)
        for _ in range(PATIENCE + 1):
            with pytest.raises(Refusal):
                take([limit], now=clock(), offender=f"address:{address}")

        asked = plain(order_body(market, alice), token, address=address)

        with CaptureQueriesContext(connection) as captured:
            assert DOOR.prepare([asked]) == [None]

        assert not captured.captured_queries, "who he is was looked up"

    def _three_orders_a_day(self, account: TradingAccount, monkeypatch: pytest.MonkeyPatch) -> None:
        account.user.rate_tier = RateTier.objects.create(
            name=f"T{tag()}", calls_1m=1_000, orders_10s=1_000, orders_1d=3
        )
        account.user.save()
        monkeypatch.setattr(rates, "_fresh_until", 0.0)


class TestSignedOnce:
    def test_a_copy_is_refused_by_the_view(self, market: Market, alice: TradingAccount) -> None:
        asked = plain(order_body(market, alice), key=make_key(alice))

        answers = Answers(asked, asked)

        assert answers.codes() == [(202, "pending"), None]
        assert DOOR.prepare([asked]) == [None]
        assert Order.objects.count() == 1

    def test_what_is_left_to_the_view_can_be_served_there(
        self, market: Market, alice: TradingAccount
    ) -> None:
        """It is not remembered: the view would take it for a copy."""
        key = make_key(alice)
        asked = plain(order_body(market, alice) | {"side": "hold"}, key=key)
        assert DOOR.prepare([asked]) == [None]

        again = SigningApi(key)
        again.timestamp = int(asked.http.META["HTTP_X_API_TIMESTAMP"])

        refused(again.generic("POST", "/orders?wait=0", asked.body, "application/json"), "invalid_field")


class TestFaults:
    def test_a_lost_database_leaves_the_outcome_unknown(
        self, market: Market, alice: TradingAccount, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(_sent: Sequence[Sent], *, now: datetime) -> Any:
            raise OperationalError("server closed the connection")

        monkeypatch.setattr(placing, "submit_sent", lost)
        body = order_body(market, alice)

        answers = Answers(plain(body, token, correlation_id="a"), plain(body, token, correlation_id="b"))

        assert answers.codes() == [(503, "unavailable")] * 2
        assert [said and said[1]["correlation_id"] for said in answers.said()] == ["a", "b"]
        assert [told and told.headers for told in answers.told()] == [{"Retry-After": "1"}] * 2

    def test_one_that_fails_takes_nobody_along(
        self, market: Market, alice: TradingAccount, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(sent: Sequence[Sent], *, now: datetime) -> Any:
            if any(item.origin.correlation_id == "bad" for item in sent):
                raise ZeroDivisionError
            return submit_sent(sent, now=now)

        monkeypatch.setattr(placing, "submit_sent", failing)
        body = order_body(market, alice)

        answers = Answers(plain(body, token), plain(body, token, correlation_id="bad"), plain(body, token))

        assert answers.codes() == [(202, "pending"), (500, "internal_error"), (202, "pending")]
        assert Order.objects.count() == 2


@pytest.mark.django_db(transaction=True)
class TestWaiting:
    def test_is_told_when_the_book_has_spoken(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, token: str
    ) -> None:
        market.sell(bob, "0.4", 50000)
        market.drain()
        body = order_body(market, alice)

        answers = Answers(
            plain(body, token, query="wait=5000"),
            plain(batch(body, body), token, path=BATCH, query="wait=5000"),
            plain(body, token, query="wait=0"),
        )
        assert answers.codes()[2] == (202, "pending")
        assert answers.told()[:2] == [None, None]
        market.drain()

        wait_for(lambda: None not in answers.told(), "the book's answers")
        single, both, _ = answers.whole()
        assert (single[0], single[1]["status"], single[1]["filled"]) == (201, "partially_filled", "0.4000")
        assert [item["status"] for item in both[1]["results"]] == [201, 201]

    def test_is_told_that_it_has_not_when_the_time_is_up(
        self, market: Market, alice: TradingAccount, token: str
    ) -> None:
        answers = Answers(plain(order_body(market, alice), token, query="wait=60"))
        assert answers.told() == [None]

        wait_for(lambda: answers.told() != [None], "the time to be up")
        assert answers.codes() == [(202, "pending")]

    def test_what_was_refused_does_not_wait(self, market: Market, alice: TradingAccount, token: str) -> None:
        answers = Answers(plain(order_body(market, alice, quantity="1000"), token, query="wait=5000"))

        assert answers.codes() == [(400, "insufficient_funds")]
