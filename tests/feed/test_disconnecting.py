"""Cancel on disconnect: while one socket that asked for it is open the orders stay, then they go."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from audit.models import AuditRecord
from orders.models import CancelTimer
from orders.services.cancel_timers import GRACE_SECONDS, fire_due
from tests.factories import Market, stored
from tests.feed.talk import Feed, Socket, do, eventually, talk, token_for

pytestmark = pytest.mark.django_db(transaction=True)


def resting(market: Market, account: TradingAccount) -> int:
    order_id = market.buy(account, 1, 49000)
    market.drain()
    return order_id


def guard(reader: Socket, account: TradingAccount, *, enabled: bool = True) -> None:
    answer = reader.ask(
        "cancel_on_disconnect", op="cancel_on_disconnect", account=account.pk, enabled=enabled, id=9
    )
    assert answer == {
        "type": "cancel_on_disconnect",
        "account": account.pk,
        "enabled": enabled,
        "grace_seconds": GRACE_SECONDS,
        "id": 9,
    }


def fires() -> bool:
    return fire_due(now=timezone.now()) == 1


def timer(account: TradingAccount) -> CancelTimer:
    return CancelTimer.objects.get(account=account)


def test_a_killed_server_cancels_the_orders_of_those_who_asked(
    serve: Callable[..., Feed], market: Market, alice: TradingAccount, bob: TradingAccount
) -> None:
    feed = serve()
    hers, his = resting(market, alice), resting(market, bob)
    with feed.socket() as reader, feed.socket() as other:
        reader.log_in(alice)
        other.log_in(bob)
        guard(reader, alice)
        since = timer(alice).renewed_at
        eventually(lambda: timer(alice).renewed_at > since)
        assert not fires()

        feed.process.kill()
        eventually(fires)
        market.drain()

    assert (stored(hers).status, stored(hers).reason) == ("cancelled", "mass_cancel")
    assert stored(his).status == "open"


def test_the_last_socket_counts_and_not_the_first(feed: Feed, market: Market, alice: TradingAccount) -> None:
    order_id = resting(market, alice)
    with feed.socket() as last:
        last.log_in(alice)
        guard(last, alice)
        with feed.socket() as first:
            first.log_in(alice)
            guard(first, alice)
        since = timer(alice).renewed_at
        eventually(lambda: timer(alice).renewed_at > since)
        assert not fires()
    eventually(fires)
    market.drain()

    assert stored(order_id).status == "cancelled"


def test_taken_off_nothing_happens_at_the_end(feed: Feed, market: Market, alice: TradingAccount) -> None:
    with feed.socket() as reader:
        reader.log_in(alice)
        guard(reader, alice)
        guard(reader, alice, enabled=False)
        assert timer(alice).due_at is None
        # A second word of the same changes nothing.
        guard(reader, alice, enabled=False)
    assert timer(alice).due_at is None
    actions = AuditRecord.objects.filter(target_id=str(alice.pk), action__contains="disconnect")
    assert list(actions.order_by("id").values_list("action", "actor_label", "ip")) == [
        ("orders.disconnect.set", alice.user.username, "127.0.0.1"),
        ("orders.disconnect.off", alice.user.username, "127.0.0.1"),
    ]


async def test_only_the_owner_may_ask(market: Market, alice: TradingAccount, bob: TradingAccount) -> None:
    async with talk() as socket:
        asked = {"op": "cancel_on_disconnect", "account": bob.pk, "enabled": True}
        assert (await socket.ask("error", **asked))["code"] == "not_authenticated"
        await socket.ask("authenticated", op="auth", token=await do(lambda: token_for(alice)))
        assert (await socket.ask("error", **asked))["code"] == "account_not_found"
        assert (await socket.ask("error", **asked | {"enabled": 1}))["code"] == "invalid_field"
    assert await do(CancelTimer.objects.count) == 0
