"""The vault: nothing in clear at rest, nothing opens elsewhere, reads are recorded, keys can be changed."""

from __future__ import annotations

import base64
import io
import json
from functools import partial
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, transaction
from pydantic import SecretStr

from accounts.models import Purpose, Secret
from accounts.services import vault
from accounts.services.envelope import (
    Envelope,
    KeyRing,
    NoSecretError,
    VaultError,
    binding,
    rewrap,
    seal,
    unseal,
)
from accounts.services.vault import Place
from audit.models import AuditRecord
from tests.factories import ACTOR, NOW
from tests.threads import all_at_once
from tradeplatform.config import load_config, vault_keys_file

VALUE = b"the secret of a venue"
VENUE = Place("liquidity.venue:1", Purpose.LP_CREDENTIAL, "fix password")


def key(fill: bytes) -> str:
    return base64.b64encode(fill * 32).decode()


RING = KeyRing.parse(f"old:{key(b'o')}, new:{key(b'n')}")


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key file of the test's own."""
    config = load_config().model_copy(update={"var_dir": tmp_path, "vault_keys": None})
    monkeypatch.setattr(vault, "load_config", lambda: config)
    return vault_keys_file(config)


class TestEnvelope:
    BOUND = binding("accounts.user:1", "api_key", "k", 1)

    def test_opens_to_what_was_sealed(self) -> None:
        envelope = seal(VALUE, bound_to=self.BOUND, ring=RING)

        assert envelope.kek == "new"
        assert VALUE not in envelope.sealed + envelope.wrapped_key
        assert unseal(envelope, bound_to=self.BOUND, ring=RING) == VALUE

    def test_has_a_data_key_of_its_own(self) -> None:
        first, second = (seal(VALUE, bound_to=self.BOUND, ring=RING) for _ in range(2))

        assert first.sealed != second.sealed
        mixed = Envelope(first.kek, first.wrapped_key, second.sealed)
        with pytest.raises(VaultError):
            unseal(mixed, bound_to=self.BOUND, ring=RING)

    @pytest.mark.parametrize(
        "other",
        [
            binding("accounts.user:2", "api_key", "k", 1),
            binding("accounts.user:1", "lp_credential", "k", 1),
            binding("accounts.user:1", "api_key", "j", 1),
            binding("accounts.user:1", "api_key", "k", 2),
        ],
        ids=["owner", "purpose", "name", "version"],
    )
    def test_opens_nowhere_else(self, other: bytes) -> None:
        envelope = seal(VALUE, bound_to=self.BOUND, ring=RING)

        with pytest.raises(VaultError, match="altered or does not belong"):
            unseal(envelope, bound_to=other, ring=RING)
        with pytest.raises(VaultError):
            rewrap(envelope, bound_to=other, ring=RING)

    @pytest.mark.parametrize("part", ["wrapped_key", "sealed"])
    def test_does_not_open_when_a_bit_was_changed(self, part: str) -> None:
        whole = seal(VALUE, bound_to=self.BOUND, ring=RING)
        parts = {"wrapped_key": whole.wrapped_key, "sealed": whole.sealed}
        for place in range(len(parts[part])):
            changed = bytearray(parts[part])
            changed[place] ^= 1
            broken = Envelope(whole.kek, **(parts | {part: bytes(changed)}))
            with pytest.raises(VaultError):
                unseal(broken, bound_to=self.BOUND, ring=RING)

    def test_wrapped_anew_keeps_its_secret_and_needs_the_old_key_no_more(self) -> None:
        old_ring = KeyRing.parse(f"old:{key(b'o')}")
        envelope = seal(VALUE, bound_to=self.BOUND, ring=old_ring)

        fresh = rewrap(envelope, bound_to=self.BOUND, ring=RING)

        assert (fresh.kek, fresh.sealed) == ("new", envelope.sealed)
        only_new = KeyRing.parse(f"new:{key(b'n')}")
        assert unseal(fresh, bound_to=self.BOUND, ring=only_new) == VALUE
        with pytest.raises(VaultError, match="old is not among new"):
            unseal(envelope, bound_to=self.BOUND, ring=only_new)


@pytest.mark.parametrize(
    "text", ["", "nameless", ":" + key(b"x"), "short:" + base64.b64encode(b"x" * 16).decode(), "junk:%%%"]
)
def test_a_key_ring_refuses_what_is_none_without_showing_it(text: str) -> None:
    with pytest.raises(VaultError) as refused:
        KeyRing.parse(text)

    assert not text or str(refused.value).startswith("Vault key 1 is not id:key with 32 bytes in base64")


def test_a_key_ring_does_not_show_its_keys() -> None:
    assert key(b"o") not in repr(RING)
    assert "oooo" not in repr(RING)


@pytest.mark.django_db
class TestVault:
    def test_keeps_nothing_in_clear_and_records_every_read(self) -> None:
        with transaction.atomic():
            vault.put(VENUE, VALUE, actor=ACTOR, now=NOW)

        assert [vault.read(VENUE, actor=ACTOR, now=NOW) for _ in range(2)] == [VALUE, VALUE]

        row = Secret.objects.get()
        assert VALUE not in bytes(row.sealed or b"") + bytes(row.wrapped_key or b"")
        records = AuditRecord.objects.order_by("id")
        assert list(records.values_list("action", "target_id", "actor_label")) == [
            ("accounts.secret.store", str(row.pk), "test"),
            ("accounts.secret.read", str(row.pk), "test"),
            ("accounts.secret.read", str(row.pk), "test"),
        ]
        assert VALUE.decode() not in str([record.__dict__ for record in records])

    def test_replaces_a_secret_by_its_next_version_and_forgets_the_one_before(self) -> None:
        with transaction.atomic():
            vault.put(VENUE, b"first", actor=ACTOR, now=NOW)
            vault.put(VENUE, b"second", actor=ACTOR, now=NOW)

        assert vault.read(VENUE, actor=ACTOR, now=NOW) == b"second"
        first = Secret.objects.get(version=1)
        assert (first.sealed, first.wrapped_key, first.destroyed_at) == (None, None, NOW)

    def test_destroys_for_ever(self) -> None:
        with transaction.atomic():
            vault.put(VENUE, VALUE, actor=ACTOR, now=NOW)
            assert vault.destroy(VENUE, actor=ACTOR, now=NOW)
            assert not vault.destroy(VENUE, actor=ACTOR, now=NOW)

        with pytest.raises(NoSecretError):
            vault.read(VENUE, actor=ACTOR, now=NOW)
        with pytest.raises(ProgrammingError, match="pgtrigger: Cannot update"), transaction.atomic():
            Secret.objects.update(destroyed_at=None)
        with pytest.raises(ProgrammingError, match="pgtrigger: Cannot delete"), transaction.atomic():
            Secret.objects.all().delete()

    def test_a_row_moved_to_another_owner_does_not_open(self) -> None:
        """An attacker who writes to the database cannot use a stranger's secret as their own."""
        with transaction.atomic():
            vault.put(VENUE, VALUE, actor=ACTOR, now=NOW)
        stolen = Secret.objects.get()
        Secret.objects.create(
            owner="accounts.user:666",
            purpose=stolen.purpose,
            name=stolen.name,
            version=1,
            kek=stolen.kek,
            wrapped_key=stolen.wrapped_key,
            sealed=stolen.sealed,
            created_at=NOW,
            wrapped_at=NOW,
        )

        mine = Place("accounts.user:666", VENUE.purpose, VENUE.name)
        with pytest.raises(VaultError, match="does not belong"):
            vault.read(mine, actor=ACTOR, now=NOW)
        with pytest.raises(ProgrammingError, match="pgtrigger: Cannot update"), transaction.atomic():
            Secret.objects.filter(owner=VENUE.owner).update(owner="accounts.user:667")

    def test_there_is_one_living_version(self) -> None:
        with transaction.atomic():
            vault.put(VENUE, VALUE, actor=ACTOR, now=NOW)
        row = Secret.objects.get()
        row.pk, row.version = None, 2
        with pytest.raises(IntegrityError, match="secret_has_one_living_version"), transaction.atomic():
            row.save(force_insert=True)


@pytest.mark.django_db
class TestRotation:
    def _store(self, count: int) -> list[Place]:
        places = [Place(f"accounts.user:{number}", Purpose.API_KEY, "k") for number in range(count)]
        with transaction.atomic():
            for place in places:
                vault.put(place, place.owner.encode(), actor=ACTOR, now=NOW)
        return places

    def test_puts_every_data_key_under_the_new_key(
        self, key_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vault, "_AT_ONCE", 2)
        places = self._store(5)
        (before,) = vault.status()
        assert (before.secrets, before.known, before.current) == (5, True, True)

        fresh = vault.add_key()
        assert list(vault.wrap_anew(actor=ACTOR, now=NOW)) == [2, 2, 1]

        old, new = vault.status()
        assert (old.kek, old.secrets, old.current) == (before.kek, 0, False)
        assert (new.kek, new.secrets, new.current) == (fresh, 5, True)
        assert key_file.stat().st_mode & 0o777 == 0o600
        # Without the old key all still opens.
        key_file.write_text(key_file.read_text().splitlines()[-1])
        assert [vault.read(place, actor=ACTOR, now=NOW) for place in places] == [
            place.owner.encode() for place in places
        ]
        assert list(vault.wrap_anew(actor=ACTOR, now=NOW)) == []

    def test_the_command_shows_and_rotates(self, key_file: Path) -> None:
        self._store(3)

        def run(*arguments: str) -> dict[str, object]:
            out = io.StringIO()
            call_command("vault", *arguments, "--json", stdout=out)
            found: dict[str, object] = json.loads(out.getvalue())
            return found

        first = run("status")
        tried = run("rotate", "--new-key", "--dry-run")
        assert (tried["keys"], tried["rotated"]) == (first["keys"], 3)
        done = run("rotate", "--new-key")
        assert done["rotated"] == 3
        assert isinstance(done["keys"], list)
        assert [(use["secrets"], use["current"]) for use in done["keys"]] == [(0, False), (3, True)]
        assert run("rotate")["rotated"] == 0
        table = io.StringIO()
        call_command("vault", "status", stdout=table)
        assert "old, not needed" in table.getvalue()

    def test_says_which_key_is_missing(self, key_file: Path) -> None:
        (place, *_rest) = self._store(2)
        lost = vault.key_ring().current
        key_file.write_text(f"other:{key(b'z')}")

        assert [(use.kek, use.known) for use in vault.status()] == [(lost, False), ("other", True)]
        with pytest.raises(VaultError, match=f"{lost} is not among other"):
            vault.read(place, actor=ACTOR, now=NOW)
        with pytest.raises(CommandError, match="is not among other"):
            call_command("vault", "rotate", stdout=io.StringIO())

    def test_a_configured_ring_is_changed_where_it_is_configured(
        self, key_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = load_config().model_copy(update={"vault_keys": SecretStr(f"a:{key(b'a')}")})
        monkeypatch.setattr(vault, "load_config", lambda: config)

        with pytest.raises(VaultError, match="TRADEPLATFORM_VAULT_KEYS: add one at its end"):
            vault.add_key()


@pytest.mark.django_db(transaction=True)
def test_writers_of_one_secret_take_turns() -> None:
    def store(number: int) -> None:
        with transaction.atomic():
            vault.put(VENUE, str(number).encode(), actor=ACTOR, now=NOW)

    results = all_at_once([partial(store, number) for number in range(8)], threads=4)

    assert results == [None] * 8
    assert sorted(Secret.objects.values_list("version", flat=True)) == list(range(1, 9))
    assert Secret.objects.filter(destroyed_at__isnull=True).get().version == 8
