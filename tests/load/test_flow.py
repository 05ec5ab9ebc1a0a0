"""A flow sends what its mix says, and changes only orders that were taken and rest."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from tests.load.actions import Action, Amend, Cancel, Holder, Place, Ticker, Transfer
from tests.load.flow import Flow
from tests.load.mix import EXCHANGE, MIXES, Mix

_TICKERS = [
    Ticker("AAA", Decimal(50_000), Decimal("0.01"), Decimal("0.00001"), "USD", 0.5),
    Ticker("BBB", Decimal(50_000), Decimal("0.01"), Decimal("0.00001"), "USD", 0.5),
]
_HOLDERS = [Holder(number, number // 5) for number in range(20)]


def _flow(*, seed: int = 1, mix: Mix = EXCHANGE) -> Flow:
    return Flow(mix, _TICKERS, _HOLDERS, seed=seed, tag="t")


def _run(flow: Flow, count: int, *, refuse_every: int = 0) -> list[Action]:
    """So many actions; each order is taken under the number of its place, but every so manieth."""
    done = []
    for number in range(1, count + 1):
        action = flow.next()
        if isinstance(action, Place) and not (refuse_every and number % refuse_every == 0):
            flow.took(action, number)
        done.append(action)
    return done


@pytest.mark.parametrize("mix", MIXES.values(), ids=lambda mix: mix.name)
def test_the_shares_of_a_mix_are_of_a_hundred(mix: Mix) -> None:
    assert mix.limit + mix.taking + mix.cancel + mix.amend + mix.transfer == 100
    assert mix.quiet >= 0
    # As many that wait to be taken as take, else books fill or empty.
    assert mix.makers == mix.taking + mix.crossing


def test_a_flow_sends_what_its_mix_says() -> None:
    counts = Counter(type(action) for action in _run(_flow(), 20_000))

    assert {kind: round(100 * count / 20_000) for kind, count in counts.items()} == {
        Place: 55,
        Cancel: 30,
        Amend: 10,
        Transfer: 5,
    }


def test_the_same_seed_is_the_same_traffic() -> None:
    assert _run(_flow(seed=7), 500) == _run(_flow(seed=7), 500)
    assert _run(_flow(seed=7), 500) != _run(_flow(seed=8), 500)


def test_what_is_cancelled_or_amended_was_taken_and_is_cancelled_once() -> None:
    flow, live, amended = _flow(), {}, set()
    for number in range(1, 20_001):
        action = flow.next()
        match action:
            case Place() if number % 3:
                flow.took(action, number)
                live[number] = action
            case Amend():
                assert live[action.order_id].holder == action.holder
                assert action.order_id not in amended
                amended.add(action.order_id)
            case Cancel():
                placed = live.pop(action.order_id)
                assert (placed.name, placed.holder) == (action.name, action.holder)
    assert amended


def test_what_is_cancelled_rests_beyond_the_prices_at_which_anything_trades() -> None:
    orders = [action for action in _run(_flow(), 5_000) if isinstance(action, Place)]
    reach = Decimal("0.10")
    for order in orders:
        at = order.price or order.worst
        assert at is not None
        away = abs(at - 50_000)
        assert (away > reach) is order.rests
    assert {order.ioc for order in orders if order.kind == "market"} == {True}


def test_names_are_never_given_twice() -> None:
    names = [action.name for action in _run(_flow(), 5_000) if isinstance(action, Place)]

    assert len(set(names)) == len(names)


def test_transfers_are_between_two_accounts_of_one_person() -> None:
    transfers = [action for action in _run(_flow(), 5_000) if isinstance(action, Transfer)]

    assert transfers
    assert all(one.holder.user_id == one.to.user_id and one.holder != one.to for one in transfers)


def test_what_waits_to_be_taken_stays_about_as_much() -> None:
    """Lots of makers less those of takers, in a book and on a side: never below zero, never a pile."""
    flow = _flow()
    stocked = flow.stock(quiet=0, makers=400)
    waiting = Counter[tuple[str, bool]]()
    for action in [*stocked, *_run(flow, 50_000)]:
        if not isinstance(action, Place) or action.rests:
            continue
        lots = int(action.quantity / Decimal("0.01"))
        at = action.price or action.worst
        assert at is not None
        crosses = (at > 50_000) is action.buy
        waiting[action.symbol, action.buy is not crosses] += -lots if crosses else lots
    assert all(0 <= lots < 2_000 for lots in waiting.values()), waiting
