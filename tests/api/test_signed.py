"""Requests that an API key signed: what is refused, by name, and that a refusal moves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.retry import Retry

from accounts.models import KeyKind, Scope, Secret, TradingAccount
from accounts.services import api_keys, signed_requests
from accounts.services.key_issuing import revoke_key
from accounts.services.people import set_active
from orders.models import Order
from tests.accounts.keys import Key, make_key
from tests.api.client import Api, order_body, refused, signed_in
from tests.api.signing import SigningApi, text_of
from tests.factories import ACTOR, Market, everything_stored, fund, make_account
from tradeplatform.common.arrivals import WAITED
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.valkey import client

WITHDRAWS = frozenset({Scope.READ, Scope.WITHDRAW})
HERE = ("127.0.0.0/8",)


@pytest.fixture
def key(alice: TradingAccount) -> Key:
    """Alice's, to read and to trade with."""
    return make_key(alice)


class TestAccepted:
    @pytest.mark.parametrize("kind", KeyKind)
    def test_places_and_cancels_in_its_owners_name(
        self, market: Market, alice: TradingAccount, kind: KeyKind
    ) -> None:
        key = make_key(alice, kind=kind)
        program = SigningApi(key)

        placed = program.post("/orders?wait=0", order_body(market, alice))
        assert placed.status_code == 202, placed.json()
        market.drain()
        number = placed.json()["id"]
        assert program.get(f"/orders/{number}").json()["status"] == "open"
        assert program.delete(f"/orders/{number}?wait=0").status_code == 202

        order = Order.objects.get(id=int(number))
        assert (order.credential, order.actor_id) == (f"key:{key.row.pk}", alice.user_id)

    def test_covers_the_query_as_it_was_sent(self, alice: TradingAccount, key: Key) -> None:
        assert SigningApi(key).get(f"/orders?account={alice.pk}&limit=5").status_code == 200

    def test_cancels_the_orders_of_its_key_alone(
        self, market: Market, alice: TradingAccount, key: Key, api: Api
    ) -> None:
        program = SigningApi(key)
        mine = program.post("/orders?wait=0", order_body(market, alice, price="49000")).json()["id"]
        api.post("/orders?wait=0", order_body(market, alice, price="48000"))
        market.drain()

        answer = program.delete(f"/orders?account={alice.id}&credential=current&wait=0")

        assert [row["id"] for row in answer.json()["results"]] == [mine]

    def test_twice_in_a_millisecond_needs_a_nonce(self, key: Key) -> None:
        program = SigningApi(key)
        program.timestamp = int(timezone.now().timestamp() * 1_000)

        answers = []
        for nonce in ("", "a", "b"):
            program.nonce = nonce
            answers.append(program.get("/orders").status_code)

        assert answers == [200, 200, 200]
        refused(program.get("/orders"), "replayed", 401)


class TestWaiting:
    """A request is as fresh as it was when it came, also where it has waited here."""

    def _arrived(self, program: SigningApi, *, seconds_ago: float) -> None:
        noted: dict[str, Any] = {WAITED: int(seconds_ago * 1e9)}
        program.defaults.update(noted)

    def test_one_that_waited_is_served_once(self, key: Key) -> None:
        program = SigningApi(key)
        program.timestamp = int(timezone.now().timestamp() * 1_000) - 20_000
        self._arrived(program, seconds_ago=16)

        assert program.get("/orders").status_code == 200
        refused(program.get("/orders"), "replayed", 401)

    @pytest.mark.parametrize(("signed", "arrived"), [(22, 16), (37, 36)])
    def test_one_that_came_late_or_waited_too_long_is_refused(
        self, key: Key, signed: int, arrived: int
    ) -> None:
        program = SigningApi(key)
        program.timestamp = int(timezone.now().timestamp() * 1_000) - signed * 1_000
        self._arrived(program, seconds_ago=arrived)

        refused(program.get("/orders"), "timestamp_too_old", 401)

    def test_it_is_remembered_for_as_long_as_a_copy_may_wait(self, key: Key) -> None:
        before = set(client().keys("signed:*"))
        assert SigningApi(key).get("/orders").status_code == 200
        (name,) = set(client().keys("signed:*")) - before
        assert 36 < client().ttl(name) <= 38


class TestRefused:
    """Each by its name; nothing moves."""

    def _order(
        self, key: Key, market: Market, account: TradingAccount, code: str, status: int, /, **how: Any
    ) -> dict[str, Any]:
        before = everything_stored()
        answer = SigningApi(key, **how).post("/orders?wait=0", order_body(market, account))
        body = refused(answer, code, status)
        assert everything_stored() == before
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        return body

    def test_replay_attack(self, market: Market, alice: TradingAccount, key: Key) -> None:
        program = SigningApi(key)
        program.timestamp = int(timezone.now().timestamp() * 1_000)
        assert program.post("/orders?wait=0", order_body(market, alice)).status_code == 202
        before = everything_stored()

        refused(program.post("/orders?wait=0", order_body(market, alice)), "replayed", 401)

        assert everything_stored() == before

    def test_clock_skew_behind(self, market: Market, alice: TradingAccount, key: Key) -> None:
        body = self._order(key, market, alice, "timestamp_too_old", 401, age_ms=6_000)
        numbers = body["context"]
        assert int(numbers["server_time"]) - int(numbers["timestamp"]) >= 6_000

    def test_clock_skew_ahead(self, market: Market, alice: TradingAccount, key: Key) -> None:
        self._order(key, market, alice, "timestamp_ahead", 401, age_ms=-3_000)

    def test_wrong_scope(self, market: Market, alice: TradingAccount) -> None:
        reader = make_key(alice, scopes=frozenset({Scope.READ}))
        assert SigningApi(reader).get("/orders").status_code == 200
        body = self._order(reader, market, alice, "api_key_wrong_scope", 403)
        assert body["context"] == {"scope": "trade"}

    def test_wrong_scope_for_a_withdrawal(self, alice: TradingAccount, key: Key) -> None:
        before = everything_stored()
        wish = {"asset": alice.currency.code, "amount": "1", "request_id": "w"}
        answer = SigningApi(key).post(f"/accounts/{alice.pk}/withdrawals", wish)
        assert refused(answer, "api_key_wrong_scope", 403)["context"] == {"scope": "withdraw"}
        assert everything_stored() == before

    def test_wrong_ip(self, market: Market, alice: TradingAccount) -> None:
        bound = make_key(alice, allowed_ips=("203.0.113.0/24",))
        self._order(bound, market, alice, "api_key_wrong_ip", 403, ip="198.51.100.7")
        assert SigningApi(bound, ip="203.0.113.9").get("/orders").status_code == 200

    def test_wrong_ip_that_the_caller_invents(self, alice: TradingAccount) -> None:
        bound = make_key(alice, allowed_ips=("203.0.113.0/24",))
        answer = SigningApi(bound).get("/orders", headers={"X-Forwarded-For": "203.0.113.9"})
        refused(answer, "api_key_wrong_ip", 403)

    def test_revoked_key(self, market: Market, alice: TradingAccount, key: Key) -> None:
        revoke_key(key_id=key.row.pk, actor=ACTOR, now=timezone.now(), reason="leaked")
        self._order(key, market, alice, "api_key_revoked", 401)

    def test_expired_key(self, market: Market, alice: TradingAccount) -> None:
        soon = timezone.now() + timedelta(milliseconds=1)
        late = make_key(alice, expires_at=soon + timedelta(seconds=30))
        api_keys.authenticate(late.key_id, ip=None)
        kept = api_keys._kept[late.key_id].caller
        object.__setattr__(kept, "expires_at", timezone.now())
        self._order(late, market, alice, "api_key_expired", 401)

    def test_disabled_owner(self, market: Market, alice: TradingAccount, key: Key) -> None:
        set_active(user_id=alice.user_id, active=False, actor=ACTOR, now=timezone.now(), reason="left")
        self._order(key, market, alice, "api_key_owner_disabled", 401)

    def test_unknown_key(self, market: Market, alice: TradingAccount, key: Key) -> None:
        self._order(key, market, alice, "api_key_unknown", 401, key="Z" * 64)

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"kek": "gone"}, "The vault key gone is not among "),
            ({"wrapped_key": b"altered"}, "A secret was altered or does not belong where it lies."),
        ],
    )
    def test_a_key_whose_secret_does_not_open(
        self,
        market: Market,
        alice: TradingAccount,
        key: Key,
        changes: dict[str, Any],
        why: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        Secret.objects.filter(name=key.key_id).update(**changes)

        body = self._order(key, market, alice, "api_key_unusable", 401)
        refused(SigningApi(key).get("/orders"), "api_key_unusable", 401)

        assert "create another key" in body["detail"]
        assert body["context"] == {}
        (said,) = [record for record in caplog.records if record.levelname == "ERROR"]
        line: Any = said.msg
        assert (line["event"], line["api_key"]) == ("api_key_secret_does_not_open", key.row.pk)
        assert line["error"].startswith(why)
        assert "manage.py vault status" in line["what_to_do"]
        assert key.secret not in caplog.text
        assert SigningApi(make_key(alice)).get("/orders").status_code == 200

    def test_a_key_whose_secret_does_not_open_is_told_of_again_after_a_minute(
        self, key: Key, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        Secret.objects.filter(name=key.key_id).update(kek="gone")
        clock = iter([0.0, 59.0, 60.0])

        for _ in range(3):
            monkeypatch.setattr(time, "monotonic", partial(float, next(clock)))
            with pytest.raises(Refusal):
                api_keys.authenticate(key.key_id, ip=None)

        assert [record.levelname for record in caplog.records].count("ERROR") == 2

    def test_signature_over_a_changed_body(self, market: Market, alice: TradingAccount, key: Key) -> None:
        bigger = text_of(order_body(market, alice, quantity="2"))
        self._order(key, market, alice, "bad_signature", 401, body=bigger)

    @pytest.mark.parametrize(
        "forged",
        [
            {"path": "/orders/batch?wait=0"},
            {"path": "/orders?wait=1"},
            {"path": "/orders"},
            {"nonce": "x"},
            {"signature": ""},
            {"signature": "00" * 32},
        ],
    )
    def test_signature_over_anything_else(
        self, market: Market, alice: TradingAccount, key: Key, forged: dict[str, str]
    ) -> None:
        self._order(key, market, alice, "bad_signature", 401, **forged)

    def test_signature_over_another_method(self, market: Market, alice: TradingAccount, key: Key) -> None:
        order = market.buy(alice, 1, 49000)
        market.drain()
        before = everything_stored()

        moment = str(int(timezone.now().timestamp() * 1_000))
        path = f"/api/v1/orders/{order}?wait=0"
        signature = key.sign(f"{moment}\n\nGET\n{path}\n".encode())
        headers = {"X-API-KEY": key.key_id, "X-API-TIMESTAMP": moment, "X-API-SIGNATURE": signature}
        refused(Api().delete(f"/orders/{order}?wait=0", headers=headers), "bad_signature", 401)
        assert everything_stored() == before

    def test_signature_of_another_key(
        self, market: Market, alice: TradingAccount, bob: TradingAccount
    ) -> None:
        mine, theirs = make_key(alice), make_key(bob)
        self._order(mine, market, bob, "bad_signature", 401, key=theirs.key_id)

    @pytest.mark.parametrize(
        "forged", [{"timestamp": ""}, {"timestamp": "now"}, {"timestamp": "1e3"}, {"nonce": "a b"}]
    )
    def test_unreadable_headers(
        self, market: Market, alice: TradingAccount, key: Key, forged: dict[str, str]
    ) -> None:
        self._order(key, market, alice, "invalid_field", 400, **forged)

    def test_a_body_that_is_too_large(self, key: Key) -> None:
        answer = SigningApi(key).post("/orders?wait=0", {"x": "y" * 1_000_001})
        refused(answer, "body_too_large", 413)


class TestReach:
    """A key is for one account, also among its owner's."""

    def test_another_account_of_the_same_owner_is_not_there(
        self, market: Market, alice: TradingAccount, key: Key
    ) -> None:
        second = make_account(currency=alice.currency, user=alice.user)
        fund(second, market.instrument.quote, 1_000_000)
        order = market.buy(second, 1, 49000)
        market.drain()
        before = everything_stored()
        program = SigningApi(key)

        refused(program.get(f"/accounts/{second.pk}/balances"), "account_not_found", 404)
        refused(program.get(f"/orders/{order}"), "order_not_found", 404)
        refused(program.delete(f"/orders/{order}?wait=0"), "order_not_found", 404)
        refused(program.post("/orders?wait=0", order_body(market, second)), "account_not_found", 404)
        (result,) = program.post("/orders/batch?wait=0", {"orders": [order_body(market, second)]}).json()[
            "results"
        ]
        assert result["error"]["code"] == "account_not_found"
        assert program.get("/orders").json()["results"] == []
        assert [row["id"] for row in program.get("/accounts").json()["results"]] == [alice.pk]
        assert len(signed_in(alice).get("/accounts").json()["results"]) == 2
        assert everything_stored() == before

    @pytest.mark.parametrize(
        "call",
        [
            lambda api: api.get("/auth/keys"),
            lambda api: api.post("/auth/keys", {}),
            lambda api: api.get("/auth/sessions"),
            lambda api: api.delete("/auth/sessions"),
            lambda api: api.post("/auth/confirm", {}),
            lambda api: api.get("/portfolios"),
        ],
    )
    def test_what_takes_no_keys_says_so(self, alice: TradingAccount, call: Callable[[Api], Any]) -> None:
        mighty = make_key(alice, scopes=frozenset(Scope), allowed_ips=HERE)

        refused(call(SigningApi(mighty)), "session_required", 403)

    def test_withdraws_with_its_scope_from_its_addresses(self, alice: TradingAccount) -> None:
        payer = make_key(alice, scopes=WITHDRAWS, allowed_ips=HERE)
        path = f"/accounts/{alice.pk}/withdrawals"
        wish = {"asset": alice.currency.code, "amount": "1", "request_id": "w"}

        answer = SigningApi(payer).post(path, wish)

        assert answer.json().get("code") not in {
            "api_key_wrong_scope", "session_required", "confirmation_required"
        }  # fmt: skip


class TestWithoutValkey:
    def test_a_copy_is_refused_by_the_process_that_took_the_first(
        self, key: Key, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nowhere = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
        monkeypatch.setattr(signed_requests, "client", lambda: nowhere)
        with pytest.raises(Unreachable):
            nowhere.ping()
        program = SigningApi(key)
        program.timestamp = int(timezone.now().timestamp() * 1_000)

        assert program.get("/orders").status_code == 200
        refused(program.get("/orders"), "replayed", 401)

    def test_what_is_remembered_here_is_bounded_and_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        signed_requests._here.clear()
        monkeypatch.setattr(signed_requests, "_MOST_REMEMBERED", 3)
        assert [signed_requests._is_new_here(bytes([n]), 1.0) for n in (1, 1, 2, 3, 4)] == [
            True, False, True, True, True,
        ]  # fmt: skip
        assert len(signed_requests._here) == 3
        assert signed_requests._is_new_here(bytes([4]), 39.0)
        assert len(signed_requests._here) == 1


def test_a_copy_on_another_path_of_the_check_is_one_too(key: Key) -> None:
    """Two processes that get the same request at once: one takes it."""
    now = timezone.now()
    request = signed_requests.SignedRequest(
        "GET", "/api/v1/orders", str(int(now.timestamp() * 1_000)), "", b""
    )
    caller = api_keys.authenticate(key.key_id, ip="127.0.0.1")
    signature = key.sign(request.payload)
    signed_requests.accept(caller, request, signature=signature, now=now)

    with pytest.raises(Refusal) as caught:
        signed_requests.accept(caller, request, signature=signature.upper(), now=now)

    assert caught.value.code == Code.REPLAYED
