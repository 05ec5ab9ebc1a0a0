"""Who may no longer, and who has used up his limits, is refused in lists as by the views."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import RateTier, User
from accounts.services.key_issuing import revoke_key
from accounts.services.sessions import end_own
from tests.accounts.keys import make_key
from tests.factories import ACTOR, tag
from tests.live.floor import PATIENCE, Floor, Trader, access_token, batch
from tests.live.lines import Line
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.limits import PATIENCE as REFUSALS
from tradeplatform.common.throttling import MINUTE, clock
from tradeplatform.common.valkey import client

pytestmark = pytest.mark.live


def end_session(one: Trader) -> None:
    sid = access_token(one)["sid"]
    end_own(user_id=one.account.user_id, actor=ACTOR, now=timezone.now(), sid=sid)


def shut_out(one: Trader) -> None:
    User.objects.filter(pk=one.account.user_id).update(is_active=False)


def new_password(one: Trader) -> None:
    user = one.account.user
    user.set_password(tag())
    user.save(update_fields=["password"])


@pytest.mark.parametrize("end", [end_session, shut_out, new_password])
def test_a_connection_that_is_kept_lets_nobody_in_who_is_not_any_more(
    floor: Floor, end: Callable[[Trader], None]
) -> None:
    one = floor.trader()
    with Line(floor.platform) as line:
        first = line.ask(one.place())
        end(one)
        second = line.ask(one.place())

    assert floor.in_lists([first]) == [True]
    assert (first.status, second.status, second.json["code"]) == (201, 401, "not_authenticated")
    assert len(one.orders()) == 1


def test_nor_a_token_that_has_expired_meanwhile(floor: Floor) -> None:
    one = floor.trader()
    token = access_token(one)
    token.set_exp(lifetime=timedelta(seconds=2))
    one.token = str(token)
    with Line(floor.platform) as line:
        first = line.ask(one.place())
        last = first

        def is_refused() -> bool:
            nonlocal last
            last = line.ask(one.place())
            return last.status != 201

        wait_for(is_refused, "the token to expire", seconds=PATIENCE)

    assert floor.in_lists([first]) == [True]
    assert (last.status, last.json["code"]) == (401, "not_authenticated")


def test_nor_a_key_that_is_revoked_meanwhile(floor: Floor) -> None:
    one = floor.trader()
    key = make_key(one.account)
    with Line(floor.platform) as line:
        first = line.ask(one.signed(key))
        revoke_key(key_id=key.row.pk, actor=ACTOR, now=timezone.now(), reason="tests")
        last = first

        def is_refused() -> bool:
            nonlocal last
            last = line.ask(one.signed(key))
            return last.status != 201

        # What is known of a key is known for a second.
        wait_for(is_refused, "the key to be forgotten", seconds=PATIENCE)

    assert floor.in_lists([first]) == [True]
    assert (last.status, last.json["code"]) == (401, "api_key_revoked")


def count_of(name: str, seconds: int = MINUTE) -> int:
    """What is counted in this window."""
    return int(client().get(f"limit:{name}:{seconds}:{int(clock() // seconds)}") or 0)


@pytest.fixture
def minute() -> None:
    """Begin where a window of the clock does not end soon."""
    wait_for(lambda: clock() % 60 < 50, "the minute to begin", seconds=PATIENCE)


@pytest.mark.usefixtures("minute")
def test_an_account_that_has_used_up_its_orders_can_still_cancel(floor: Floor) -> None:
    one = floor.trader()
    tier = RateTier.objects.create(name=tag(), calls_1m=100, orders_10s=1_000, orders_1d=3)
    User.objects.filter(pk=one.account.user_id).update(rate_tier=tier)
    wait_for(lambda: tier_is_known(floor, tier), "the tier to be known", seconds=PATIENCE)
    with Line(floor.platform) as line:
        placed = [line.ask(one.place()) for _ in range(3)]
        counted = count_of(f"user:{one.account.user_id}:call")
        refused = [line.ask(one.place()) for _ in range(2)]
        in_batch = line.ask(one.post("orders/batch", batch(one.order(), one.order())))
        cancelled = line.ask(one.cancel(placed[0]))

    assert [answer.status for answer in placed] == [201] * 3
    assert all(floor.in_lists(placed))
    for answer in [*refused, in_batch]:
        assert (answer.status, answer.json["code"]) == (429, "too_many_orders")
        assert int(answer.header("Retry-After")) > 0
    assert cancelled.status == 200
    # Each call was counted once, the orders that were refused not at all.
    assert count_of(f"user:{one.account.user_id}:call") - counted == 3
    assert count_of(f"orders:{one.account.pk}", 86_400) == 3


def tier_is_known(floor: Floor, tier: RateTier) -> bool:
    """Whether the web process has read it: what a process knows of tiers is known for five seconds."""
    probe = floor.trader()
    User.objects.filter(pk=probe.account.user_id).update(rate_tier=tier)
    items = [probe.order() for _ in range(4)]
    return floor.ask(probe.post("orders/batch?wait=0", batch(*items))).status == 429


@pytest.mark.usefixtures("minute")
def test_an_address_that_goes_on_after_refusals_is_shut_out_for_orders_and_not_for_cancels(
    floor: Floor,
) -> None:
    one, address = floor.trader(), "127.0.0.77"
    counter = f"address:{address}:call"
    # Three are left.
    client().set(f"limit:{counter}:{MINUTE}:{int(clock() // MINUTE)}", 60_000 - 3, ex=MINUTE)
    client().delete(f"ban:address:{address}", f"bans:address:{address}", f"refusals:address:{address}")
    with Line(floor.platform, address=address) as line:
        answers = [line.ask(one.place("orders?wait=0")) for _ in range(3 + REFUSALS + 2)]
        cancelled = line.ask(one.cancel(answers[0]))
    client().delete(f"ban:address:{address}", f"bans:address:{address}")

    assert [answer.status for answer in answers[3:]] == [429] * REFUSALS + [418] * 2
    assert all(answer.status in {201, 202} for answer in answers[:3])
    assert all(int(answer.header("Retry-After")) > 0 for answer in answers[3:])
    assert cancelled.status == 200
    assert len(one.orders()) == 3
    assert count_of(f"user:{one.account.user_id}:call") == 3


@pytest.mark.usefixtures("minute")
def test_a_copy_of_a_signed_request_uses_up_nothing(floor: Floor) -> None:
    one = floor.trader()
    key = make_key(one.account)
    sent = one.signed(key)

    answers = [floor.ask(sent) for _ in range(4)]

    assert [answer.status for answer in answers] == [201, 401, 401, 401]
    assert count_of(f"key:{key.row.pk}:call") == 1
    assert count_of(f"orders:{one.account.pk}", 86_400) == 1
