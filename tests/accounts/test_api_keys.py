"""API keys: who may use them, how they sign, and how soon they stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, transaction
from django.db.models import Model
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiKey, KeyKind, Role, Scope, Secret, TradingAccount, User
from accounts.services import api_keys
from accounts.services.api_keys import FRESH_SECONDS, authenticate, read_ahead, require, verify
from accounts.services.key_issuing import MOST_KEYS, KeyWish, create_key, revoke_key, rotate_key
from accounts.services.people import set_active
from audit.models import AuditRecord
from tests.accounts.keys import Key, hmac_signer, make_key
from tests.factories import ACTOR, NOW, make_account, make_asset, make_user
from tests.threads import all_at_once, elsewhere
from tradeplatform.common.errors import Code, Refusal

PAYLOAD = b"symbol=BTCUSDT&side=BUY&timestamp=1700000000000"
HERE = "192.0.2.7"


class Clock:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock of what is kept of keys; nothing is kept from other tests."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    api_keys._kept.clear()
    api_keys._checks.clear()
    api_keys._noted.clear()
    yield clock
    api_keys._kept.clear()


@pytest.fixture
def account(db: None) -> TradingAccount:
    """A trader's."""
    return make_account(currency=make_asset())


def refused(code: Code, call: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    assert caught.value.code == code
    return caught.value


def counts(*models: type[Model]) -> list[int]:
    return [model._default_manager.count() for model in models]


class TestSigning:
    @pytest.mark.parametrize("kind", KeyKind)
    def test_proves_who_calls(self, account: TradingAccount, kind: KeyKind) -> None:
        key = make_key(account, kind=kind)

        caller = authenticate(key.key_id, ip=HERE)
        verify(caller, PAYLOAD, key.sign(PAYLOAD))

        assert (caller.user_id, caller.account_id, caller.kind) == (account.user_id, account.pk, kind)
        assert caller.actor.credential == f"key:{key.row.pk}"
        assert (caller.actor.ip, caller.actor.label) == (HERE, account.user.username)

    @pytest.mark.parametrize("kind", KeyKind)
    @pytest.mark.parametrize("changed", [PAYLOAD + b"0", PAYLOAD[:-1], PAYLOAD.lower(), b""])
    def test_over_a_changed_body_is_refused(
        self, account: TradingAccount, kind: KeyKind, changed: bytes
    ) -> None:
        key = make_key(account, kind=kind)
        caller = authenticate(key.key_id, ip=HERE)

        refused(Code.BAD_SIGNATURE, lambda: verify(caller, changed, key.sign(PAYLOAD)))

        key.row.refresh_from_db()
        assert key.row.last_used_at is None

    @pytest.mark.parametrize("kind", KeyKind)
    @pytest.mark.parametrize("junk", ["", "zz", "00", "AAAA", "ä", "\0", "=" * 88, "A" * 4096])
    def test_that_is_none_is_refused(self, account: TradingAccount, kind: KeyKind, junk: str) -> None:
        caller = authenticate(make_key(account, kind=kind).key_id, ip=HERE)

        refused(Code.BAD_SIGNATURE, lambda: verify(caller, PAYLOAD, junk))

    @pytest.mark.parametrize("kind", KeyKind)
    def test_with_another_key_is_refused(self, account: TradingAccount, kind: KeyKind) -> None:
        mine, other = make_key(account, kind=kind), make_key(account, kind=kind)
        caller = authenticate(mine.key_id, ip=HERE)

        refused(Code.BAD_SIGNATURE, lambda: verify(caller, PAYLOAD, other.sign(PAYLOAD)))

    def test_of_hmac_is_hex_in_either_case_and_of_the_others_exact(self, account: TradingAccount) -> None:
        key = make_key(account)
        verify(authenticate(key.key_id, ip=HERE), PAYLOAD, key.sign(PAYLOAD).upper())

        ed25519 = make_key(account, kind=KeyKind.ED25519)
        caller = authenticate(ed25519.key_id, ip=HERE)
        refused(Code.BAD_SIGNATURE, lambda: verify(caller, PAYLOAD, ed25519.sign(PAYLOAD).swapcase()))

    def test_shows_no_secret(self, account: TradingAccount) -> None:
        key = make_key(account)
        caller = authenticate(key.key_id, ip=HERE)

        assert len(key.secret) == len(key.key_id) == 64
        assert key.secret not in repr(caller) + str(AuditRecord.objects.values()) + str(
            ApiKey.objects.values()
        )


class TestRefusals:
    @pytest.mark.parametrize("name", ["", "x", "A" * 64, "A\0B", "ä" * 64])
    def test_unknown_key(self, db: None, name: str) -> None:
        refused(Code.API_KEY_UNKNOWN, lambda: authenticate(name, ip=HERE))

    def test_revoked_key(self, account: TradingAccount, clock: Clock) -> None:
        key = make_key(account)
        authenticate(key.key_id, ip=HERE)

        revoke_key(key_id=key.row.pk, actor=ACTOR, now=NOW, reason="leaked")
        clock.now += FRESH_SECONDS

        refused(Code.API_KEY_REVOKED, lambda: authenticate(key.key_id, ip=HERE))

    def test_expired_key_even_while_it_is_kept(self, account: TradingAccount, clock: Clock) -> None:
        key = make_key(account, expires_at=timezone.now() + timedelta(hours=1))
        authenticate(key.key_id, ip=HERE)
        kept = api_keys._kept[key.key_id]
        object.__setattr__(kept.caller, "expires_at", timezone.now())

        refused(Code.API_KEY_EXPIRED, lambda: authenticate(key.key_id, ip=HERE))

    def test_disabled_owner(self, account: TradingAccount, clock: Clock) -> None:
        key = make_key(account)
        authenticate(key.key_id, ip=HERE)

        set_active(user_id=account.user_id, active=False, actor=ACTOR, now=NOW, reason="left")
        clock.now += FRESH_SECONDS

        refused(Code.API_KEY_OWNER_DISABLED, lambda: authenticate(key.key_id, ip=HERE))

    @pytest.mark.parametrize(
        ("allowed", "ip", "fits"),
        [
            ((), HERE, True),
            ((), None, True),
            (("192.0.2.7",), HERE, True),
            (("192.0.2.0/24",), HERE, True),
            (("192.0.2.0/24",), f"::ffff:{HERE}", True),
            (("2001:db8::/32",), "2001:db8::1", True),
            (("198.51.100.1", "192.0.2.7"), HERE, True),
            (("192.0.2.8",), HERE, False),
            (("192.0.3.0/24",), HERE, False),
            (("2001:db8::/32",), HERE, False),
            (("192.0.2.7",), None, False),
            (("192.0.2.7",), "192.0.2.7, 10.0.0.1", False),
        ],
    )
    def test_wrong_address(
        self, account: TradingAccount, allowed: tuple[str, ...], ip: str | None, fits: bool
    ) -> None:
        key = make_key(account, allowed_ips=allowed)

        if fits:
            assert authenticate(key.key_id, ip=ip).ip == (ip or "")
        else:
            refused(Code.API_KEY_WRONG_IP, lambda: authenticate(key.key_id, ip=ip))

    @pytest.mark.parametrize("scope", Scope)
    def test_wrong_scope(self, account: TradingAccount, scope: Scope) -> None:
        caller = authenticate(make_key(account, scopes=frozenset({Scope.READ})).key_id, ip=HERE)

        if scope == Scope.READ:
            require(caller, scope)
        else:
            assert refused(Code.API_KEY_WRONG_SCOPE, lambda: require(caller, scope)).context == {
                "scope": scope.value
            }


class TestKeeping:
    def test_a_check_within_a_second_costs_no_query_and_one_read_of_the_vault(
        self, account: TradingAccount, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        key = make_key(account)
        verify(authenticate(key.key_id, ip=HERE), PAYLOAD, key.sign(PAYLOAD))

        with django_assert_num_queries(0):
            for _ in range(100):
                verify(authenticate(key.key_id, ip=HERE), PAYLOAD, key.sign(PAYLOAD))
        clock.now += FRESH_SECONDS
        with django_assert_num_queries(1):
            verify(authenticate(key.key_id, ip=HERE), PAYLOAD, key.sign(PAYLOAD))

        assert AuditRecord.objects.filter(action="accounts.secret.read").count() == 1

    def test_its_use_is_noted_once_a_minute(self, account: TradingAccount, clock: Clock) -> None:
        key = make_key(account)
        caller = authenticate(key.key_id, ip=HERE)
        verify(caller, PAYLOAD, key.sign(PAYLOAD))
        key.row.refresh_from_db()
        first = key.row.last_used_at
        assert first is not None

        verify(caller, PAYLOAD, key.sign(PAYLOAD))
        key.row.refresh_from_db()
        assert key.row.last_used_at == first

        a_minute_ago = first - timedelta(minutes=1)
        ApiKey.objects.filter(pk=key.row.pk).update(last_used_at=a_minute_ago)
        api_keys._noted[key.row.pk] = a_minute_ago
        verify(caller, PAYLOAD, key.sign(PAYLOAD))
        key.row.refresh_from_db()
        assert key.row.last_used_at is not None
        assert key.row.last_used_at >= first


def revoke_once_found(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another connection revoke the key between its being read and its being kept."""
    find = api_keys._find

    def slow(key_ids: Iterable[str]) -> dict[str, ApiKey]:
        found = find(key_ids)
        elsewhere(lambda: revoke_key(key_id=key.row.pk, actor=ACTOR, now=NOW, reason="leaked"))
        return found

    monkeypatch.setattr(api_keys, "_find", slow)


@pytest.mark.django_db(transaction=True)
class TestStopping:
    """At once in the process that did it; in another no later than a second after the commit."""

    @pytest.fixture
    def key(self) -> Key:
        return make_key(make_account(currency=make_asset()))

    def test_a_revoked_key_is_refused_by_the_next_call(self, key: Key, clock: Clock) -> None:
        authenticate(key.key_id, ip=HERE)

        revoke_key(key_id=key.row.pk, actor=ACTOR, now=NOW, reason="leaked")

        refused(Code.API_KEY_REVOKED, lambda: authenticate(key.key_id, ip=HERE))

    def test_a_rotated_key_needs_its_new_secret_by_the_next_call(self, key: Key, clock: Clock) -> None:
        verify(authenticate(key.key_id, ip=HERE), PAYLOAD, key.sign(PAYLOAD))

        issued = rotate_key(key_id=key.row.pk, actor=ACTOR, now=NOW)

        caller = authenticate(key.key_id, ip=HERE)
        refused(Code.BAD_SIGNATURE, lambda: verify(caller, PAYLOAD, key.sign(PAYLOAD)))
        verify(caller, PAYLOAD, hmac_signer(issued.secret)(PAYLOAD))
        assert Secret.objects.filter(destroyed_at__isnull=True).count() == 1

    def test_all_keys_of_a_person_shut_out_are_refused_by_the_next_call(self, key: Key, clock: Clock) -> None:
        authenticate(key.key_id, ip=HERE)

        set_active(user_id=key.row.account.user_id, active=False, actor=ACTOR, now=NOW, reason="left")

        refused(Code.API_KEY_OWNER_DISABLED, lambda: authenticate(key.key_id, ip=HERE))

    def test_another_process_lets_it_in_for_less_than_a_second(self, key: Key, clock: Clock) -> None:
        authenticate(key.key_id, ip=HERE)
        # As another process would: this one is not told.
        ApiKey.objects.filter(pk=key.row.pk).update(revoked_at=timezone.now())

        clock.now += FRESH_SECONDS - 0.001
        authenticate(key.key_id, ip=HERE)
        clock.now += 0.001

        refused(Code.API_KEY_REVOKED, lambda: authenticate(key.key_id, ip=HERE))

    def test_what_was_read_before_a_revocation_is_not_kept_after_it(
        self, key: Key, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revoke_once_found(key, monkeypatch)
        refused(Code.API_KEY_REVOKED, lambda: authenticate(key.key_id, ip=HERE))
        monkeypatch.undo()

        refused(Code.API_KEY_REVOKED, lambda: authenticate(key.key_id, ip=HERE))

    def test_keys_that_are_read_ahead_are_read_in_one_look_up(
        self, key: Key, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        other = make_key(make_account(currency=make_asset()))
        for known in (key, other):
            verify(authenticate(known.key_id, ip=HERE), PAYLOAD, known.sign(PAYLOAD))
        clock.now += FRESH_SECONDS

        with django_assert_num_queries(1):
            read_ahead([key.key_id, other.key_id, "unknown", "\0"])
            owners = [authenticate(known.key_id, ip=HERE).user_id for known in (key, other)]

        assert owners == [known.row.account.user_id for known in (key, other)]

    def test_what_is_read_ahead_lets_nobody_in_who_would_be_refused(self, key: Key, clock: Clock) -> None:
        shut_out = make_key(make_account(currency=make_asset()))
        ApiKey.objects.filter(pk=key.row.pk).update(revoked_at=timezone.now())
        User.objects.filter(pk=shut_out.row.account.user_id).update(is_active=False)

        read_ahead([key.key_id, shut_out.key_id, "unknown"])

        refused(Code.API_KEY_REVOKED, lambda: authenticate(key.key_id, ip=HERE))
        refused(Code.API_KEY_OWNER_DISABLED, lambda: authenticate(shut_out.key_id, ip=HERE))
        refused(Code.API_KEY_UNKNOWN, lambda: authenticate("unknown", ip=HERE))

    def test_what_was_read_ahead_of_a_revocation_is_not_kept_after_it(
        self, key: Key, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revoke_once_found(key, monkeypatch)
        read_ahead([key.key_id])
        monkeypatch.undo()

        refused(Code.API_KEY_REVOKED, lambda: authenticate(key.key_id, ip=HERE))

    def test_of_callers_who_ask_for_one_label_at_once_one_gets_a_key(self) -> None:
        account = make_account(currency=make_asset())
        wish = KeyWish(account_id=account.pk, label="bot")

        results = all_at_once([lambda: create_key(wish, actor=ACTOR, now=NOW)] * 8, threads=4)

        refusals = [result for result in results if isinstance(result, Refusal)]
        assert [refusal.code for refusal in refusals] == [Code.API_KEY_LABEL_TAKEN] * 7
        assert counts(ApiKey, Secret) == [1, 1]


class TestIssuing:
    def test_stores_no_secret_in_clear_and_records_the_act(self, account: TradingAccount) -> None:
        key = make_key(account, allowed_ips=("192.0.2.9/24", "192.0.2.0/24"))

        assert key.row.allowed_ips == ["192.0.2.0/24"]
        record = AuditRecord.objects.get(action="accounts.api_key.create")
        assert record.after["scopes"] == ["read", "trade"]
        assert record.target_id == str(key.row.pk)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"allowed_ips": ("1.2.3",)}, "allowed_ips"),
            ({"allowed_ips": ("1.2.3.4/33",)}, "allowed_ips"),
            ({"allowed_ips": ("0.0.0.0/0", "192.0.2.1")}, "allowed_ips"),
            ({"allowed_ips": ("0.0.0.0/1", "128.0.0.0/1"), "scopes": (Scope.WITHDRAW,)}, "allowed_ips"),
            ({"allowed_ips": ("::/0",), "scopes": (Scope.WITHDRAW,)}, "allowed_ips"),
            ({"allowed_ips": tuple(f"192.0.2.{n}" for n in range(31))}, "allowed_ips"),
            ({"label": ""}, "label"),
            ({"label": "x" * 65}, "label"),
            ({"scopes": frozenset({Scope.WITHDRAW})}, "allowed_ips"),
            ({"expires_at": NOW}, "expires_at"),
            ({"public_key": "x"}, "public_key"),
            ({"kind": KeyKind.RSA}, "public_key"),
            ({"kind": KeyKind.ED25519, "public_key": "-----BEGIN PUBLIC KEY-----\nx"}, "public_key"),
        ],
    )
    def test_refuses_what_cannot_be(
        self, account: TradingAccount, changes: dict[str, object], field: str
    ) -> None:
        values: dict[str, object] = {"account_id": account.pk, "label": "bot"}
        wish = KeyWish(**(values | changes))  # type: ignore[arg-type]

        refusal = refused(Code.INVALID_FIELD, lambda: create_key(wish, actor=ACTOR, now=NOW))

        assert list(refusal.context["fields"]) == [field]
        assert refusal.message.endswith(refusal.context["fields"][field])
        assert counts(ApiKey, Secret, AuditRecord) == [0, 0, 0]

    def test_refuses_a_public_key_of_another_kind(self, account: TradingAccount) -> None:
        pem = make_key(account, kind=KeyKind.ED25519).row.public_key
        wish = KeyWish(account_id=account.pk, label="b", kind=KeyKind.RSA, public_key=pem)

        refused(Code.INVALID_FIELD, lambda: create_key(wish, actor=ACTOR, now=NOW))

    def test_a_label_is_free_again_after_its_key(self, account: TradingAccount) -> None:
        wish = KeyWish(account_id=account.pk, label="bot")
        first = create_key(wish, actor=ACTOR, now=NOW)
        before = counts(ApiKey, Secret, AuditRecord)
        refused(Code.API_KEY_LABEL_TAKEN, lambda: create_key(wish, actor=ACTOR, now=NOW))
        assert counts(ApiKey, Secret, AuditRecord) == before

        revoke_key(key_id=first.key.pk, actor=ACTOR, now=NOW, reason="over")

        assert create_key(wish, actor=ACTOR, now=NOW).key.pk != first.key.pk

    def test_an_account_has_so_many_keys(self, account: TradingAccount) -> None:
        for number in range(MOST_KEYS):
            create_key(KeyWish(account_id=account.pk, label=f"bot {number}"), actor=ACTOR, now=NOW)

        wish = KeyWish(account_id=account.pk, label="one more")
        refused(Code.TOO_MANY_API_KEYS, lambda: create_key(wish, actor=ACTOR, now=NOW))

    def test_a_key_of_another_account_is_not_there(self, account: TradingAccount) -> None:
        key, other = make_key(account), make_account(currency=account.currency)

        refused(
            Code.API_KEY_NOT_FOUND,
            lambda: rotate_key(key_id=key.row.pk, account_id=other.pk, actor=ACTOR, now=NOW),
        )
        refused(
            Code.API_KEY_NOT_FOUND,
            lambda: revoke_key(key_id=2**70, account_id=account.pk, actor=ACTOR, now=NOW, reason="x"),
        )
        refused(Code.REASON_REQUIRED, lambda: revoke_key(key_id=key.row.pk, actor=ACTOR, now=NOW, reason=" "))
        key.row.refresh_from_db()
        assert (key.row.revoked_at, key.row.generation) == (None, 1)

    def test_revoking_destroys_the_secret_once(self, account: TradingAccount) -> None:
        key = make_key(account)

        revoke_key(key_id=key.row.pk, actor=ACTOR, now=NOW, reason="leaked")

        assert Secret.objects.get().destroyed_at == NOW
        number = key.row.pk
        refused(Code.API_KEY_REVOKED, lambda: revoke_key(key_id=number, actor=ACTOR, now=NOW, reason="again"))
        refused(Code.API_KEY_REVOKED, lambda: rotate_key(key_id=number, actor=ACTOR, now=NOW))

    def test_the_database_refuses_what_the_services_would(self, account: TradingAccount) -> None:
        key = make_key(account).row
        for changes in (
            {"scopes": ["read", "trade", "withdraw"]},
            {"account": make_account(currency=account.currency)},
        ):
            with pytest.raises(ProgrammingError, match="pgtrigger"), transaction.atomic():
                ApiKey.objects.filter(pk=key.pk).update(**changes)
        key.pk, key.key_id = None, "B" * 64
        for field, value in (
            ("scopes", ["trade"]),
            ("scopes", ["read", "withdraw"]),
            ("scopes", ["read", "x"]),
        ):
            setattr(key, field, value)
            with pytest.raises(IntegrityError), transaction.atomic():
                key.save(force_insert=True)
        revoke_key(key_id=ApiKey.objects.get().pk, actor=ACTOR, now=NOW, reason="over")
        with pytest.raises(ProgrammingError, match="pgtrigger"), transaction.atomic():
            ApiKey.objects.update(revoked_at=None)


def test_a_person_is_known_by_their_key(db: None) -> None:
    trader = make_user(Role.TRADER)
    key = make_key(make_account(currency=make_asset(), user=trader))

    assert User.objects.get(pk=authenticate(key.key_id, ip=HERE).user_id) == trader
