"""Who is let in: the signature over the bytes as sent, the time, the key and its scopes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from django.utils import timezone

from accounts.models import ApiKey, KeyKind, Scope, TradingAccount
from accounts.services.key_issuing import KeyWish, create_key, revoke_key
from accounts.services.people import set_active
from audit.actor import Actor
from tests.factories import ACTOR, Market, everything_stored, make_user
from tests.gateways.binance.client import FORM, Sign, Signed, client_of, now_ms, refused
from tradeplatform.gateways.binance.errors import BinanceError
from tradeplatform.gateways.binance.parameters import Parameters
from tradeplatform.gateways.binance.signing import Validity, signed

pytestmark = pytest.mark.django_db

KEY_REFUSED = (-2015, "Invalid API-key, IP, or permissions for action.", 401)
LATE = (-1021, "Timestamp for this request is outside of the recvWindow.")


def in_base64(sign: Callable[[bytes], bytes], *, swapped: bool = False) -> Sign:
    """A signature as text, or with small and capital letters swapped, which is another one."""

    def text(payload: bytes) -> str:
        found = base64.b64encode(sign(payload)).decode()
        return found.swapcase() if swapped else found

    return text


class TestPayload:
    def test_is_the_query_then_the_body_without_the_signature(self) -> None:
        found = signed(b"symbol=A&side=BUY", b"quantity=1&signature=ab")
        assert (found.payload, found.signature) == (b"symbol=A&side=BUYquantity=1", "ab")

    def test_may_have_the_signature_anywhere(self) -> None:
        assert signed(b"a=1&signature=ab&b=2", b"c=3").payload == b"a=1&b=2c=3"
        assert signed(b"signature=ab", b"").payload == b""

    def test_is_the_bytes_as_sent(self) -> None:
        assert signed(b"name=%2f+%2F&signature=x", b"").payload == b"name=%2f+%2F"

    def test_decodes_only_the_percent_signs_of_the_signature(self) -> None:
        assert signed(b"signature=a+b%2Fc%3D%3D", b"").signature == "a+b/c=="

    @pytest.mark.parametrize(
        ("query", "body", "code"),
        [(b"a=1", b"", -1102), (b"signature=", b"", -1102), (b"signature=a", b"signature=b", -1101)],
    )
    def test_has_one_signature(self, query: bytes, body: bytes, code: int) -> None:
        with pytest.raises(BinanceError) as caught:
            signed(query, body)
        assert caught.value.code == code


class TestTime:
    NOW = 1_764_360_000_000_000

    @pytest.mark.parametrize(
        ("timestamp", "window", "code"),
        [
            (NOW // 1_000 + 999, None, None),
            (NOW // 1_000 + 1_000, None, -1021),
            (NOW + 999_999, None, None),
            (NOW // 1_000 - 5_000, None, None),
            (NOW // 1_000 - 5_001, None, -1021),
            (NOW - 5_000_001, None, -1021),
            (NOW // 1_000 - 60_000, "60000", None),
            (NOW - 6_000_345, "6000.345", None),
            (NOW - 6_000_346, "6000.345", -1021),
            (NOW // 1_000, "60000.001", -1102),
            (NOW // 1_000, "5000.1234", -1100),
            (NOW // 1_000, "-1", -1100),
        ],
    )
    def test_of_a_request_is_checked_to_the_microsecond(
        self, timestamp: int, window: str | None, code: int | None
    ) -> None:
        sent = {"timestamp": str(timestamp)} | ({} if window is None else {"recvWindow": window})

        def check() -> None:
            Validity.of(Parameters(sent)).check(self.NOW)

        if code is None:
            check()
            return
        with pytest.raises(BinanceError) as caught:
            check()
        assert caught.value.code == code

    def test_is_mandatory(self) -> None:
        with pytest.raises(BinanceError) as caught:
            Validity.of(Parameters({}))
        assert (caught.value.code, caught.value.msg) == (
            -1102,
            "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.",
        )

    def test_words_of_the_two_refusals(self, client_a: Signed) -> None:
        refused(client_a.look("account", timestamp=now_ms() - 6_000), *LATE)
        refused(
            client_a.look("account", timestamp=now_ms() + 5_000),
            -1021,
            "Timestamp for this request was 1000ms ahead of the server's time.",
        )
        assert client_a.look("account", timestamp=now_ms() - 6_000, recvWindow=10_000).status_code == 200


class TestKeys:
    def test_sign_in_the_query_or_in_the_form(self, client_a: Signed, market: Market) -> None:
        assert client_a.look("openOrders", symbol=market.symbol).status_code == 200
        text = client_a.signed({"symbol": market.symbol, "orderId": 1})
        for query, form in ((f"?{text}", ""), ("", text)):
            answer = client_a.generic("DELETE", f"/api/v3/order{query}", form, content_type=FORM)
            refused(answer, -2011, "Unknown order sent.")

    def test_in_upper_case_are_the_same(self, client_a: Signed) -> None:
        sign = client_a.sign
        client_a.sign = lambda payload: sign(payload).upper()
        assert client_a.look("account").status_code == 200

    def test_may_be_rsa_or_ed25519(self, alice: TradingAccount) -> None:
        rsa_key = rsa.generate_private_key(65_537, 2_048)
        ed_key = ed25519.Ed25519PrivateKey.generate()
        ways: dict[KeyKind, tuple[Any, Callable[[bytes], bytes]]] = {
            KeyKind.RSA: (rsa_key, lambda text: rsa_key.sign(text, padding.PKCS1v15(), hashes.SHA256())),
            KeyKind.ED25519: (ed_key, ed_key.sign),
        }
        for kind, (private, sign) in ways.items():
            public = private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            wish = KeyWish(account_id=alice.pk, label=kind.value, kind=kind, public_key=public.decode())
            key = create_key(wish, actor=Actor.system("test"), now=timezone.now()).key
            assert Signed(key.key_id, in_base64(sign)).look("account").status_code == 200, kind
            changed = Signed(key.key_id, in_base64(sign, swapped=True))
            refused(changed.look("account"), -1022, "Signature for this request is not valid.")

    def test_of_another_are_not_let_in(self, market: Market, client_a: Signed, client_b: Signed) -> None:
        before = everything_stored()
        client_a.sign = client_b.sign
        refused(
            client_a.send("order", symbol=market.symbol), -1022, "Signature for this request is not valid."
        )
        assert everything_stored() == before

    def test_a_changed_body_is_noticed(self, market: Market, client_a: Signed) -> None:
        before = everything_stored()
        text = client_a.signed({"symbol": market.symbol, "side": "BUY", "type": "MARKET", "quantity": 1})

        answer = client_a.generic(
            "POST", "/api/v3/order", text.replace("quantity=1", "quantity=2"), content_type=FORM
        )

        refused(answer, -1022, "Signature for this request is not valid.")
        assert everything_stored() == before

    @pytest.mark.parametrize("key", ["", "short", "x" * 65, "-" * 64])
    def test_of_no_possible_shape(self, client_a: Signed, key: str) -> None:
        answer = client_a.get(f"/api/v3/account?{client_a.signed({})}", headers={"X-MBX-APIKEY": key})
        refused(answer, -2014, "API-key format invalid.", 401)

    def test_that_nobody_has(self, client_a: Signed) -> None:
        answer = client_a.get(f"/api/v3/account?{client_a.signed({})}", headers={"X-MBX-APIKEY": "x" * 64})
        refused(answer, *KEY_REFUSED)

    def test_that_may_only_read(self, market: Market, alice: TradingAccount) -> None:
        reader, before = client_of(alice, scopes=frozenset({Scope.READ})), everything_stored()
        assert reader.look("account").status_code == 200
        refused(
            reader.send("order", symbol=market.symbol, side="BUY", type="MARKET", quantity=1), *KEY_REFUSED
        )
        refused(reader.send("openOrders", "DELETE", symbol=market.symbol), *KEY_REFUSED)
        assert everything_stored() == before

    def test_from_another_address(self, alice: TradingAccount) -> None:
        client = client_of(alice, allowed_ips=("192.0.2.0/24",))
        refused(client.look("account"), *KEY_REFUSED)
        text = client.signed({})
        assert client.get(f"/api/v3/account?{text}", REMOTE_ADDR="192.0.2.7").status_code == 200

    def test_revoked_expired_or_of_a_closed_login(
        self, alice: TradingAccount, django_capture_on_commit_callbacks: Any
    ) -> None:
        revoked, closed = client_of(alice), client_of(alice)
        key = ApiKey.objects.get(key_id=revoked.key_id)
        with django_capture_on_commit_callbacks(execute=True):
            revoke_key(key_id=key.pk, actor=ACTOR, now=timezone.now(), reason="test")
        refused(revoked.look("account"), *KEY_REFUSED)
        moment = timezone.now() + timedelta(milliseconds=200)
        expired = client_of(alice, expires_at=moment)
        while timezone.now() <= moment:
            pass
        refused(expired.look("account"), *KEY_REFUSED)
        with django_capture_on_commit_callbacks(execute=True):
            actor = Actor.user(user_id=make_user().pk, label="boss")
            set_active(user_id=alice.user_id, active=False, actor=actor, now=timezone.now(), reason="test")
        refused(closed.look("account"), *KEY_REFUSED)
