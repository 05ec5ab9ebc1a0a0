"""Audit records: with the act or not at all, by value, and nobody rewrites them."""

from __future__ import annotations

import pytest
from django.db import transaction
from structlog.contextvars import bound_contextvars

from audit.actor import Actor, ActorKind
from audit.models import AuditRecord
from audit.services.recording import record
from tests.factories import NOW


def write(**changes: object) -> AuditRecord:
    values = {
        "actor": Actor.user(user_id=7, label="ada", ip="2001:db8::1"),
        "action": "accounts.money.deposit",
        "target_type": "accounts.tradingaccount",
        "target_id": 42,
        "target_label": "T-42",
        "now": NOW,
        "reason": "wire",
        "before": {"balance": "0"},
        "after": {"balance": "100.5"},
    }
    return record(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.django_db
def test_says_who_did_what_when_from_where_and_why() -> None:
    with bound_contextvars(request_id="request-1"):
        stored = AuditRecord.objects.get(id=write().id)

    assert (stored.actor_kind, stored.actor_id, stored.actor_label) == ("user", 7, "ada")
    assert (stored.ip, stored.at, stored.reason) == ("2001:db8::1", NOW, "wire")
    assert (stored.action, stored.target_id, stored.target_label) == ("accounts.money.deposit", "42", "T-42")
    assert (stored.before, stored.after) == ({"balance": "0"}, {"balance": "100.5"})
    assert stored.correlation_id == "request-1"
    assert str(stored) == "accounts.money.deposit on T-42 by ada"


@pytest.mark.django_db
def test_the_platform_itself_is_named_by_its_part() -> None:
    stored = AuditRecord.objects.get(id=write(actor=Actor.system("seed"), before=None, after=None).id)

    assert (stored.actor_kind, stored.actor_id, stored.actor_label) == (ActorKind.SYSTEM, None, "seed")
    assert (stored.ip, stored.before, stored.after) == (None, {}, {})


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_it_is_refused() -> None:
    with pytest.raises(RuntimeError, match="inside a transaction"):
        write()

    assert not AuditRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_is_gone_with_the_act_that_failed() -> None:
    def act() -> None:
        with transaction.atomic():
            write()
            raise OSError("half-way")

    with pytest.raises(OSError, match="half-way"):
        act()

    assert not AuditRecord.objects.exists()
