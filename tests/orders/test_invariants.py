"""The invariants themselves: they hold of an honest history, and each finds what breaks it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from accounts.models import AccountType, MoneyKind, Role
from accounts.services.closing import close_months
from accounts.services.correction_requests import ask_correction
from accounts.services.funding import adjust, withdraw
from accounts.services.staff_requests import ask_role
from instruments.models import InstrumentStatus
from liquidity.services.resetting import reset_account
from orders.market.services.alerting import place_alert
from orders.market.services.following import follow
from orders.models import OrderType, Side, StpMode, TimeInForce
from orders.services.phases import halt_instrument, resume_instrument
from orders.services.private_events import begin, number
from orders.services.requests import ListKind
from risk.models import KillScope
from tests.accounts.keys import make_key
from tests.accounts.wishing import ask_money, client_account, decided, needs_approval
from tests.audit.agreeing import agree
from tests.audit.naming import approved_by, by
from tests.factories import ACTOR, NOW, Market, fund, make_account, make_market, make_user
from tests.history.telling import lived_history
from tests.liquidity.living import lived_dealing
from tests.market.alerts import alert_wanted
from tests.orders.killing import press, step
from tests.reconciliation.banking import lived_bank
from tests.worlds import shared_world
from tradeplatform.common.invariants import check_all


@pytest.fixture(scope="module")
def lived_once(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Market]:
    """A history with something of everything."""
    with shared_world(django_db_blocker):
        yield _live()


@pytest.fixture
def market(db: None, lived_once: Market, monkeypatch: pytest.MonkeyPatch) -> Market:
    """That history, seen through the connection of the test's own transaction."""
    monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")
    monkeypatch.setattr("orders.invariants.READ_ONLY", "default")
    return lived_once


def _live() -> Market:
    market = make_market()
    seller, buyer, third = market.trader(), market.trader(), market.trader()
    begin(seller.pk, None, now=NOW)
    asks = [market.sell(seller, 2, 50000 + number) for number in range(4)]
    market.buy(buyer, "2.3333", 50001)
    market.buy(buyer, 1, 49000, post_only=True)
    market.buy(buyer, 1, 50001, tif=TimeInForce.FOK)
    market.sell(third, 1)
    market.buy(seller, 1, 50001, stp=StpMode.DECREMENT)
    market.drain()
    market.cancel(asks[3], seller)
    halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="news")
    resume_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="over")
    market.drain()
    money = {"account_id": third.id, "asset": market.instrument.base.code, "actor": ACTOR, "now": NOW}
    withdraw(amount=Decimal(1), reason="wire", request_id="out", **money)  # type: ignore[arg-type]
    wrong = adjust(amount=Decimal(-1), reason="error", request_id="fix", **money)  # type: ignore[arg-type]
    taken_back(wrong.id)
    stopped_for_a_while(market)
    with_conditions(market)
    market.amend(asks[2], seller, price=50010, quantity=5)
    market.buy(buyer, 1, 49500)
    approved_by(make_user(Role.COMPLIANCE_OFFICER))
    asked_for_money()
    lived_history(market)
    lived_dealing()
    make_key(third)
    began_anew(market)
    lived_bank(now=NOW)
    waited_for_prices(market)
    close_months(now=NOW + timedelta(days=40))
    number([seller.pk], now=NOW)
    return market


def stopped_for_a_while(market: Market) -> None:
    """A robot that had an order, was stopped, released in two steps, and traded again."""
    robot = market.trader()
    market.buy(robot, 1, 48500)
    market.drain()
    pressed = press(KillScope.ACCOUNT, robot.account_number)
    market.buy(market.trader(), 1, 48400)
    market.drain()
    for _ in range(2):
        step(pressed.act.switch)
    market.buy(robot, "0.01", 50100)
    market.drain()


def waited_for_prices(market: Market) -> None:
    """An alert that fired, one that waits, and the candles of all trades."""
    owner = market.trader()
    place_alert(alert_wanted(market, owner, 50000), actor=ACTOR, now=NOW)
    place_alert(alert_wanted(market, owner, 99999), actor=ACTOR, now=NOW)
    market.sell(market.trader(), "0.5", 50200)
    market.buy(market.trader(), "0.5", 50200)
    market.drain()
    follow(now=NOW)


def taken_back(transfer_id: int) -> None:
    """Half of a transfer, by two people; who also made a third one a member of staff."""
    maker = make_user(Role.ADMIN)
    agree(
        ask_correction(
            transfer_id=transfer_id,
            amount=Decimal("0.5"),
            reason="half an error",
            request_id="half",
            actor=by(maker),
            now=NOW,
        )
    )
    how = {"request_id": "role", "actor": by(maker), "now": NOW, "reason": "hired"}
    hired = ask_role(user_id=make_user().pk, role=Role.SUPPORT, expires_at=None, **how)  # type: ignore[arg-type]
    assert hired is not None
    agree(hired)


def began_anew(market: Market) -> None:
    """A demo account that was reset."""
    account = make_account(currency=market.instrument.quote, type=AccountType.DEMO)
    fund(account, account.currency, 100)
    how = {"balance": Decimal(7), "reason": "again", "request_id": "anew", "actor": ACTOR, "now": NOW}
    reset_account(account_id=account.pk, **how)  # type: ignore[arg-type]


def asked_for_money() -> None:
    """A withdrawal that waits and holds, one that was approved, a transfer, a credit."""
    account = client_account()
    fund(account, account.currency, 100)
    other = make_account(currency=account.currency, user=account.user)
    ask_money(MoneyKind.TRANSFER, account, 10, "own", to_account_id=other.pk)
    ask_money(MoneyKind.CREDIT, account, 5, "lent", by_whom=make_user(Role.ADMIN))
    needs_approval(MoneyKind.WITHDRAWAL)
    decided(ask_money(MoneyKind.WITHDRAWAL, account, 20, "paid").request)
    ask_money(MoneyKind.WITHDRAWAL, account, 30, "waits")


def with_conditions(market: Market) -> None:
    """Parked, sliced, linked and dated orders, one for an amount, and an auction."""
    trader = market.trader()
    market.sell(trader, 5, 50500, display=1)
    market.sell(trader, 1, kind=OrderType.STOP, trigger=48000)
    market.buy(trader, 1, 48000, tif=TimeInForce.GTD, expires_at=NOW + timedelta(hours=1))
    market.buy(market.trader(), 0, amount=60_000)
    for price in (49400, 49300):
        market.send_list(
            ListKind.BRACKET,
            market.request(trader, Side.BUY, 1, price),
            market.request(trader, Side.SELL, 1, kind=OrderType.TAKE_PROFIT, trigger=50900),
            market.request(trader, Side.SELL, 1, kind=OrderType.STOP, trigger=48100),
        )
    market.send_list(
        ListKind.OCO,
        market.request(trader, Side.SELL, 1, 50900),
        market.request(trader, Side.SELL, 1, kind=OrderType.STOP, trigger=48000),
    )
    market.phase(InstrumentStatus.AUCTION)
    market.sell(market.trader(), "1.5", 49400)
    market.phase(InstrumentStatus.ACTIVE)
    market.drain()


def broken() -> set[str]:
    return {finding.code for finding in check_all() if not finding.holds}


def test_all_hold_of_an_honest_history(market: Market) -> None:
    findings = check_all()

    assert [finding for finding in findings if not finding.holds] == []
    assert [finding.code for finding in findings if not finding.examined] == []


def plant(sql: str, without: Sequence[str] = ()) -> None:
    """Do by force what triggers and constraints would refuse."""
    with connection.cursor() as cursor, pgtrigger.ignore():
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for each in without:
            table, constraint = each.split(".")
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        cursor.execute(sql)
        assert cursor.rowcount > 0


ORDERS = "UPDATE orders_order SET"
PLAIN = "status = 'open' AND time_in_force = 'gtc' AND NOT post_only AND display_quantity IS NULL"
CLIENTS = "UPDATE accounts_ledgeraccount SET"
BREACHES: list[tuple[str, str, Sequence[str]]] = [
    (
        "iM1",
        "UPDATE accounts_transfer SET credit_id = debit_id",
        ["accounts_transfer.transfer_sides_differ"],
    ),
    ("iM2", f"{CLIENTS} balance = balance + 1 WHERE kind = 'fee'", []),
    ("iM3", "DELETE FROM accounts_transfer WHERE kind = 'deposit' AND mod(id, 2) = 0", []),
    ("iM4-balance", f"{CLIENTS} balance = balance + 0.00000001 WHERE kind = 'client'", []),
    ("iM4-chain", "UPDATE accounts_transfer SET debit_balance_after = 7 WHERE kind = 'trade_quote'", []),
    ("iM4-time", f"{CLIENTS} moved_at = '2020-01-01' WHERE kind = 'fee'", []),
    (
        "iM4-closing",
        "UPDATE accounts_closingbalance SET credited = credited + 1, debited = debited + 1",
        [],
    ),
    ("iM4-held", f"{CLIENTS} held = held + 0.00000001 WHERE kind = 'client' AND held > 0", []),
    ("iM4-required", "UPDATE orders_order SET held = held + 0.00000001 WHERE status = 'open'", []),
    (
        "iM5",
        f"{CLIENTS} held = balance + 1 WHERE kind = 'client'",
        ["accounts_ledgeraccount.ledger_available_not_negative"],
    ),
    (
        "iM6",
        "UPDATE orders_order SET held = 1 WHERE status = 'filled'",
        ["orders_order.order_final_has_and_holds_nothing"],
    ),
    ("iM6-entry", "UPDATE accounts_transfer SET entry_id = id WHERE kind = 'fee'", []),
    ("iM6-correction", "UPDATE accounts_transfer SET amount = 1.5 WHERE kind = 'correction'", []),
    ("iM7-fees", "UPDATE orders_fill SET fee = fee + 1", []),
    ("iM7-rounding", "UPDATE orders_order SET fee_accrued = fee_accrued + 1 WHERE filled > 0", []),
    ("iM8", "ALTER TABLE orders_event_default DISABLE TRIGGER USER", []),
    ("iQ1", "UPDATE orders_order SET quantity = quantity + 1 WHERE status = 'open'", []),
    (
        "iQ1-amount",
        "UPDATE orders_order SET filled_notional = 60001 WHERE quote_quantity IS NOT NULL",
        [],
    ),
    ("iQ3-points", "UPDATE history_positionpoint SET fees = fees + 1", []),
    ("iQ3-live", "UPDATE history_liveposition SET executions = executions + 1", []),
    ("iQ3-sum", "UPDATE history_liveposition SET cost = cost + 1", []),
    ("iH1", "DELETE FROM history_externaltradeidentity", []),
    ("iH2", "UPDATE history_positionpoint SET price = price + 1", []),
    ("iQ2", "UPDATE orders_fill SET quantity = quantity * 2 WHERE side = 'buy'", []),
    ("iQ2-orphans", "DELETE FROM orders_trade", []),
    ("iQ2-paid", "UPDATE accounts_transfer SET trade_id = NULL WHERE kind = 'trade_base'", []),
    ("iB1", "UPDATE orders_order SET price = 60000 WHERE side = 'buy' AND status = 'open'", []),
    ("iB3", "UPDATE orders_fill SET price = 99999.99 WHERE side = 'buy'", []),
    (
        "iB4",
        f"{ORDERS} time_in_force = 'ioc' WHERE {PLAIN}",
        [],
    ),
    ("iB5", "UPDATE orders_order SET priority = priority + 100 WHERE status = 'open'", []),
    ("iB6", "UPDATE orders_order SET shown = display_quantity * 2 WHERE display_quantity > 0", []),
    ("iB7", "UPDATE orders_order SET expires_at = expires_at - interval '1 hour' WHERE status = 'open'", []),
    ("iL1", "UPDATE orders_order SET partner_id = partner_id + 1 WHERE link = 'oco' AND price > 0", []),
    ("iL2", "UPDATE orders_order SET list_id = 1 WHERE link = ''", []),
    ("iS1", "DELETE FROM orders_event WHERE seq = 3", []),
    ("iS2", "UPDATE orders_event SET at = at - interval '1 second' WHERE seq = 3", []),
    ("iS3", "UPDATE orders_command SET position = position + 1 WHERE position = 3", []),
    ("iS4", "UPDATE orders_command SET quantity_lots = quantity_lots + 1 WHERE position = 1", []),
    ("iC1", "DELETE FROM orders_command WHERE kind = 1 AND position = 2", []),
    ("iC2", "UPDATE orders_orderidentity SET client_order_id = 'x' || order_id", []),
    ("iC5", "UPDATE orders_killeffect SET position = position + 3 WHERE commands = 0", []),
    ("iC5", "UPDATE orders_command SET reason_code = 15 WHERE reason_code = 30", []),
    ("iA2-money", "UPDATE audit_auditrecord SET reason = '' WHERE action = 'accounts.money.deposit'", []),
    ("iA2-trading", "DELETE FROM audit_auditrecord WHERE action = 'instruments.trading.halt'", []),
    ("iA3", "UPDATE instruments_instrument SET status = 'closed'", []),
    ("iP1", "UPDATE accounts_position SET pnl = pnl + 1", []),
    ("iP2", "UPDATE accounts_deal SET pnl = pnl + 1 WHERE kind = 'close'", []),
    ("iP2", "UPDATE accounts_deal SET commission = commission + 1 WHERE kind = 'open'", []),
    ("iP3", "UPDATE accounts_deal SET profit = profit + 1 WHERE kind = 'close'", []),
    ("iP3", "UPDATE accounts_deal SET rate = rate * 2 WHERE kind = 'close_by' AND pnl <> 0", []),
    ("iP4", "DELETE FROM accounts_swapcharge", []),
    ("iP5", f"{CLIENTS} reserved = 1 WHERE kind = 'client' AND reserved = 0", []),
    ("iP6", "DELETE FROM accounts_dealrequest", []),
    ("iW1", "UPDATE accounts_transfer SET realm = 'demo' WHERE kind = 'fee'", []),
    (
        "iW2",
        f"{CLIENTS} realm = 'demo' WHERE kind = 'client'",
        ["accounts_ledgeraccount.ledger_of_its_accounts_realm"],
    ),
    ("iW3", "UPDATE instruments_instrument SET realm = 'demo'", []),
    ("iW4", "UPDATE instruments_instrument SET realm = 'demo'", []),
    (
        "iR1-even",
        "UPDATE reconciliation_matchleg SET amount = amount + 1 WHERE line_id IS NOT NULL",
        [],
    ),
    ("iR1-once", "DELETE FROM reconciliation_undoing", []),
    ("iR2-lines", "DELETE FROM reconciliation_break WHERE line_id IS NOT NULL AND state = 'open'", []),
    (
        "iR2-transfers",
        "UPDATE reconciliation_importedstatement SET since = '2000-01-01', until = '2100-01-01'",
        [],
    ),
    ("iR3", "UPDATE accounts_transfer SET amount = amount + 1 WHERE kind = 'write_off'", []),
    ("iD1-1s", "UPDATE marketdata_secondcandle SET close = close + 1", []),
    ("iD1-1m", "UPDATE marketdata_candle SET high = high + 1 WHERE interval = '1m'", []),
    ("iD1-1h", "UPDATE marketdata_candle SET high = high + 1 WHERE interval = '1h'", []),
    ("iD1-1d", "UPDATE marketdata_candle SET high = high + 1 WHERE interval = '1d'", []),
    ("iD2-fired", "UPDATE marketdata_pricealert SET fired_price = 60000 WHERE state = 'fired'", []),
    ("iD2-waiting", "UPDATE marketdata_pricealert SET price = 1 WHERE state = 'active'", []),
    ("iE1", "DELETE FROM orders_privateevent WHERE number = 2", []),
    ("iE1", "UPDATE orders_privateevent SET number = 1 WHERE number = 2", []),
    ("iA5", "UPDATE audit_approvaldecision SET approved = false", []),
    ("iK1", "UPDATE accounts_apikey SET revoked_at = now() WHERE kind = 'hmac'", []),
    ("iK1", "DELETE FROM accounts_secret", []),
    ("iA8", "UPDATE audit_approvalrequest SET state = 'rejected' WHERE request_id = 'half'", []),
    (
        "iA8",
        """UPDATE audit_approvaldecision SET approved = false WHERE request_id IN
           (SELECT id FROM audit_approvalrequest WHERE action = 'accounts.role.grant')""",
        [],
    ),
    (
        "iA8",
        "UPDATE audit_auditrecord SET after = after - 'approval' WHERE action = 'accounts.role.grant'",
        [],
    ),
    ("iA8", "UPDATE accounts_transfer SET request_id = 'alone' WHERE kind = 'write_off'", []),
    ("iA7", "UPDATE accounts_transfer SET request_id = 'x' WHERE kind = 'reset'", []),
    ("iA6", "UPDATE accounts_moneyrequest SET transfer_id = transfer_id + 1 WHERE state = 'done'", []),
]


@pytest.mark.parametrize(("code", "sql", "without"), BREACHES, ids=[code for code, _, _ in BREACHES])
def test_each_finds_what_breaks_it(market: Market, code: str, sql: str, without: Sequence[str]) -> None:
    if sql.startswith("ALTER"):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(sql)
    else:
        plant(sql, without)

    assert code in broken()


def test_every_invariant_is_tried_here(market: Market) -> None:
    assert {finding.code for finding in check_all()} == {code for code, _, _ in BREACHES}


class TestCommand:
    """What an operator runs."""

    def test_says_how_much_was_looked_at(self, market: Market) -> None:
        output = StringIO()
        call_command("invariants", "--json", "--only", "iM2", "iS1", stdout=output)

        found = {row["code"]: (row["holds"], row["examined"]) for row in json.loads(output.getvalue())}
        assert found == {"iM2": (True, 6), "iS1": (True, market.book().seq)}

    def test_exits_with_1_on_a_breach(self, market: Market) -> None:
        plant(f"{CLIENTS} balance = balance + 1 WHERE kind = 'fee'")

        with pytest.raises(SystemExit) as caught:
            call_command("invariants", "--json", stdout=StringIO())

        assert caught.value.code == 1

    def test_an_unknown_code_is_an_error(self, market: Market) -> None:
        with pytest.raises(CommandError, match="No invariant has the code"):
            call_command("invariants", "--only", "iX9", stdout=StringIO())
