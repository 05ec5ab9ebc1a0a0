"""What one test commits, the next does not see; what the schema came with stays."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.test import TransactionTestCase

from accounts.models import Transfer, User
from audit.models import AuditRecord
from orders.models import Event, Order
from risk.models import KillSwitch
from tests.emptying import empty_filled_tables
from tests.factories import make_market


@pytest.mark.django_db(transaction=True)
def test_facts_that_nobody_may_delete_are_gone_and_permissions_are_not() -> None:
    market = make_market()
    market.sell(market.trader(), 1, 50000)
    market.buy(market.trader(), 1, 50000)
    market.drain()
    filled = [Transfer, AuditRecord, Event, Order, User]
    assert all(model._base_manager.exists() for model in filled)
    permissions = sorted(Permission.objects.values_list("pk", "codename"))
    assert permissions

    empty_filled_tables(TransactionTestCase())

    models = (model for model in apps.get_models() if model._meta.managed)
    assert {model for model in models if model._base_manager.exists()} == {
        ContentType,
        Permission,
        KillSwitch,
    }
    assert sorted(Permission.objects.values_list("pk", "codename")) == permissions
