"""Wall 12: refusal is data. `denied` never reached the book; `rejected` came from it."""

from __future__ import annotations

import ast
import json

import pytest
from tradeengine.codec import Reason

from orders.models import Command, Event, EventKind, Order, OrderIdentity, Side, TimeInForce
from orders.services import engine_codes
from tests.factories import everything_stored, make_market, money, refusal_of, stored
from tests.walls.test_wall_01 import sources
from tradeplatform.common.api_errors import problem
from tradeplatform.common.errors import Code, Refusal

# A contract with clients: codes are added, never renamed, never reused.
PUBLISHED = {
    "account_inactive", "account_locked", "account_not_found", "amend_pending", "below_executed",
    "body_too_large", "client_order_id_conflict", "field_is_fixed", "instrument_delisted",
    "instrument_halted", "instrument_maintenance", "instrument_not_halted", "insufficient_funds",
    "internal_error", "invalid_client_order_id", "invalid_combination", "invalid_field", "invalid_number",
    "malformed_json", "method_not_allowed", "no_change", "no_reference_price", "not_acceptable",
    "not_authenticated", "not_found", "notional_too_large", "notional_too_small", "order_not_found",
    "order_not_open", "permission_denied", "price_not_allowed", "price_not_on_tick", "price_out_of_band",
    "price_out_of_range", "price_required", "quantity_not_on_step", "quantity_too_large",
    "quantity_too_small", "reason_required", "request_id_conflict", "throttled", "too_many_items",
    "too_many_open_orders", "unavailable", "unknown_asset", "unknown_symbol", "unsupported_media_type",
}  # fmt: skip


def test_wall_12_codes_are_never_renamed() -> None:
    assert {code.value for code in Code} >= PUBLISHED


def test_wall_12_every_code_has_a_4xx_or_5xx_status_and_renders() -> None:
    for code in Code:
        refusal = Refusal(code, "Say what to do.", price="50000.01", count=3)
        body = json.loads(json.dumps(problem(refusal)))

        assert 400 <= refusal.status < 600
        assert (body["code"], body["detail"], body["status"]) == (
            code.value,
            "Say what to do.",
            refusal.status,
        )
        assert body["context"] == {"price": "50000.01", "count": 3}


def test_wall_12_refusals_name_their_code_by_the_enumeration() -> None:
    """No code is made up on the spot, and no refusal goes without a sentence."""
    wrong = []
    for path, module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) or len(node.args) < 2:
                    wrong.append(f"{path}:{node.lineno}")

    assert wrong == []


def test_wall_12_the_engines_reasons_and_our_words_are_one_alphabet() -> None:
    words = engine_codes.REASON_WORD

    assert set(words) == {int(reason) for reason in Reason}
    assert {number: reason.name.lower() for number, reason in ((int(r), r) for r in Reason) if number} == {
        number: word for number, word in words.items() if number
    }


@pytest.mark.django_db
def test_wall_12_denied_leaves_nothing_and_explains_itself() -> None:
    market = make_market()
    trader = market.trader(base=1, quote=1)
    before = everything_stored(), Command.objects.count(), OrderIdentity.objects.count()

    (outcome,) = market.send_all([market.request(trader, Side.SELL, "1.5", 50000, client_order_id="mine")])

    refusal = refusal_of(outcome)
    assert refusal.code == Code.INSUFFICIENT_FUNDS
    assert refusal.context == {"asset": market.instrument.base.code, "required": "1.5", "available": "1"}
    assert (everything_stored(), Command.objects.count(), OrderIdentity.objects.count()) == before


@pytest.mark.django_db
def test_wall_12_rejected_is_an_order_that_the_book_refused() -> None:
    market = make_market()
    market.sell(market.trader(), 1, 50000)
    trader = market.trader(base=0, quote=200_000)
    killed = market.buy(trader, 2, 50000, tif=TimeInForce.FOK)
    passive = market.buy(trader, 1, 50000, post_only=True)
    assert Order.objects.filter(account=trader, status="pending").count() == 2

    market.drain()

    for order_id, reason in ((killed, "fok_unfillable"), (passive, "would_take")):
        order = stored(order_id)
        assert (order.status, order.reason, order.filled, order.held) == ("rejected", reason, 0, 0)
        event = Event.objects.get(order_id=order_id)
        assert (event.kind, engine_codes.REASON_WORD[event.reason_code]) == (EventKind.REJECTED, reason)
        assert OrderIdentity.objects.filter(order_id=order_id).exists()
    assert money(trader, market.instrument.quote) == ("200000", "0")
