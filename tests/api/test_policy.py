"""Who may do what: every endpoint of API v1 against every kind of caller, on their own and on others' things.

The endpoints are read from the router as it is: one without a line in the table fails, and so does a line
without an endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from django.urls import URLResolver, get_resolver, resolve

from accounts.models import MoneyKind, Role, Scope, TradingAccount, User
from accounts.permissions import ROLE_PERMISSIONS
from accounts.services import sessions
from accounts.services.key_issuing import KeyWish, create_key
from accounts.services.roles import grant_role
from orders.market.services.alerting import place_alert
from risk.models import KillSwitch
from tests.accounts.authenticator import passkey_of
from tests.accounts.keys import Key, make_key
from tests.accounts.wishing import ask_money, needs_approval
from tests.api.client import V1, Api, order_body
from tests.api.signing import SigningApi
from tests.factories import ACTOR, NOW, Market, everything_stored, fund, make_account, make_user, tokens_of
from tests.market.alerts import alert_wanted

#: What answers mean for the policy: past it, whatever the business then says, or stopped by it.
PAST, HIDDEN, NOBODY, SCOPE, SESSION = "past", "hidden", "not_authenticated", "api_key_wrong_scope", "session"
DENIED = "permission_denied"

# Addresses of the HTTP side that are not API v1: each has a policy of its own and tests of it.
ELSEWHERE = ("admin/", "api/schema", "api/docs", "api/v3/", "sapi/", "0/", "static/", "")


class Rule(NamedTuple):
    """Who gets past a door: `who` of people, `scope` of keys (None: no key does)."""

    who: str
    scope: Scope | None = None


PUBLIC = Rule("everybody")
# Takes no credentials at all: what it needs is in its body.
OPEN = Rule("open")
PERSON = Rule("signed in", Scope.READ)
PERSON_BY_SESSION = Rule("signed in")
READ, TRADE, WITHDRAW = (Rule("owner", scope) for scope in (Scope.READ, Scope.TRADE, Scope.WITHDRAW))
OWNER_BY_SESSION = Rule("owner")
#: Of staff, in a session, those whose roles give them the permission.
LOOK_AT_STOPS, STOP, RELEASE = (Rule(f"risk.{right}_killswitch") for right in ("view", "stop", "release"))

TABLE: dict[tuple[str, str], Rule] = {
    ("", "GET"): PUBLIC,
    ("auth/login", "POST"): OPEN,
    ("auth/refresh", "POST"): OPEN,
    ("auth/logout", "POST"): OPEN,
    ("auth/confirm", "POST"): PERSON_BY_SESSION,
    ("auth/sessions/<str:session>", "DELETE"): OWNER_BY_SESSION,
    ("auth/sessions", "GET"): PERSON_BY_SESSION,
    ("auth/sessions", "DELETE"): PERSON_BY_SESSION,
    ("auth/second-factor", "GET"): PERSON_BY_SESSION,
    ("auth/second-factor", "POST"): PERSON_BY_SESSION,
    ("auth/second-factor", "DELETE"): PERSON_BY_SESSION,
    ("auth/second-factor/confirm", "POST"): PERSON_BY_SESSION,
    ("auth/second-factor/recovery-codes", "POST"): PERSON_BY_SESSION,
    ("auth/webauthn/passkeys", "GET"): PERSON_BY_SESSION,
    ("auth/webauthn/passkeys", "POST"): PERSON_BY_SESSION,
    ("auth/webauthn/passkeys/options", "POST"): PERSON_BY_SESSION,
    ("auth/webauthn/passkeys/<int:passkey>", "DELETE"): OWNER_BY_SESSION,
    ("auth/webauthn/login/options", "POST"): OPEN,
    ("auth/webauthn/confirm/options", "POST"): PERSON_BY_SESSION,
    ("auth/keys", "GET"): PERSON_BY_SESSION,
    ("auth/keys", "POST"): OWNER_BY_SESSION,
    ("auth/keys/<int:key>", "DELETE"): OWNER_BY_SESSION,
    ("auth/keys/<int:key>/rotate", "POST"): OWNER_BY_SESSION,
    ("auth/me", "GET"): PERSON,
    ("accounts", "GET"): PERSON,
    ("accounts/<int:account>/balances", "GET"): READ,
    ("accounts/<int:account>/ledger", "GET"): READ,
    ("accounts/<int:account>/ledger/export", "GET"): READ,
    ("accounts/<int:account>/statement", "GET"): READ,
    ("accounts/<int:account>/withdrawals", "POST"): WITHDRAW,
    ("accounts/<int:account>/transfers", "POST"): WITHDRAW,
    ("accounts/<int:account>/requests", "GET"): READ,
    ("accounts/<int:account>/requests/<int:number>", "GET"): READ,
    ("accounts/<int:account>/requests/<int:number>", "DELETE"): WITHDRAW,
    ("accounts/<int:account>/positions/history", "GET"): READ,
    ("accounts/<int:account>/positions", "GET"): READ,
    ("accounts/<int:account>/positions", "POST"): TRADE,
    ("accounts/<int:account>/positions/close-all", "POST"): TRADE,
    ("accounts/<int:account>/positions/<int:position>", "GET"): READ,
    ("accounts/<int:account>/positions/<int:position>", "PATCH"): TRADE,
    ("accounts/<int:account>/positions/<int:position>/close", "POST"): TRADE,
    ("accounts/<int:account>/positions/<int:position>/reverse", "POST"): TRADE,
    ("accounts/<int:account>/margin", "GET"): READ,
    ("accounts/<int:account>/report", "GET"): READ,
    ("accounts/<int:account>/reset", "POST"): TRADE,
    ("accounts/<int:account>/cancel-after", "GET"): READ,
    ("accounts/<int:account>/cancel-after", "POST"): TRADE,
    ("accounts/<int:account>/events", "GET"): READ,
    ("portfolios", "GET"): PERSON_BY_SESSION,
    ("portfolios/<int:portfolio>/positions", "GET"): OWNER_BY_SESSION,
    ("instruments", "GET"): PUBLIC,
    ("instruments/<str:symbol>", "GET"): PUBLIC,
    ("instruments/<str:symbol>/depth", "GET"): PUBLIC,
    ("instruments/<str:symbol>/trades", "GET"): PUBLIC,
    ("instruments/<str:symbol>/ticker", "GET"): PUBLIC,
    ("instruments/<str:symbol>/candles", "GET"): PUBLIC,
    ("instruments/<str:symbol>/indicators", "GET"): PUBLIC,
    ("instruments/<str:symbol>/best", "GET"): PUBLIC,
    ("instruments/<str:symbol>/average-price", "GET"): PUBLIC,
    ("tickers", "GET"): PUBLIC,
    ("tickers/best", "GET"): PUBLIC,
    ("orders", "GET"): READ,
    ("orders", "POST"): TRADE,
    ("orders", "DELETE"): TRADE,
    ("orders/dry-run", "POST"): TRADE,
    ("orders/batch", "POST"): TRADE,
    ("orders/lists", "POST"): TRADE,
    ("orders/by-client-id/<int:account>/<path:client_order_id>", "GET"): READ,
    ("orders/<int:order>", "GET"): READ,
    ("orders/<int:order>", "PATCH"): TRADE,
    ("orders/<int:order>", "DELETE"): TRADE,
    ("orders/<int:order>/fills", "GET"): READ,
    ("orders/<int:order>/events", "GET"): READ,
    ("kill-switch", "GET"): LOOK_AT_STOPS,
    ("kill-switch", "POST"): STOP,
    ("kill-switch/<int:switch>/release", "POST"): RELEASE,
    ("system/shards", "GET"): Rule("orders.view_shard"),
    ("fills", "GET"): READ,
    ("alerts", "GET"): READ,
    ("alerts", "POST"): TRADE,
    ("alerts/<int:alert>", "GET"): READ,
    ("alerts/<int:alert>", "DELETE"): TRADE,
}


def endpoints() -> Iterator[tuple[str, str]]:
    """(route below /api/v1/, method) of every door that there is."""
    prefix = V1.strip("/") + "/"
    for route, callback in _walk(get_resolver()):
        if not route.startswith(prefix):
            assert any(known and route.startswith(known) for known in ELSEWHERE) or not route, route
            continue
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(callback.view_class, method):
                yield route.removeprefix(prefix), method.upper()


def _walk(resolver: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, route)
        else:
            yield route, pattern.callback


def test_every_endpoint_has_a_rule_and_every_rule_an_endpoint() -> None:
    assert sorted(endpoints()) == sorted(TABLE)


@dataclass(frozen=True, slots=True)
class Things:
    """What an owner has, so that a door may be knocked at with it."""

    market: Market
    account: TradingAccount
    second: TradingAccount
    names: dict[str, object]

    @property
    def mine(self) -> Api:
        """The owner in a session of today."""
        return Api().sign_in(self.account.user)

    def knock(self, api: _Api, route: str, method: str) -> str:
        """Call a door with the owner's things; what the policy said."""
        path = "/" + route
        for name, value in self.names.items():
            for kind in ("int", "str", "path"):
                path = path.replace(f"<{kind}:{name}>", str(value))
        query, body = self._query(route, method), self._body(route)
        answer = api.generic_call(method, path + query, body)
        code = answer.json().get("code") if answer.headers.get("Content-Type", "").endswith("json") else None
        # A batch and a list of orders say it of each item.
        if route == "orders/batch" and answer.status_code == 207:
            code = answer.json()["results"][0].get("error", {}).get("code")
        return _MEANING.get(str(code), PAST) if answer.status_code != 404 or code in _MEANING else HIDDEN

    def _query(self, route: str, method: str) -> str:
        if route in {"orders", "fills", "alerts"} and method in {"GET", "DELETE"}:
            return f"?account={self.account.pk}" + ("&wait=0" if method == "DELETE" else "")
        if route.endswith(("/statement", "/export", "/report")):
            return "?from=2026-03-01&to=2026-03-02"
        if route.endswith("/positions/history"):
            return f"?instrument={self.market.symbol}"
        if route.startswith("orders") and method in {"POST", "PATCH", "DELETE"}:
            return "?wait=0"
        return ""

    def _body(self, route: str) -> dict[str, Any]:
        asset, order = self.account.currency.code, order_body(self.market, self.account, price="49000")
        bodies: dict[str, dict[str, Any]] = {
            "auth/keys": {"account": self.account.pk, "label": "policy", "scopes": ["read"]},
            "accounts/<int:account>/withdrawals": {"asset": asset, "amount": "1", "request_id": "w"},
            "accounts/<int:account>/transfers": {
                "asset": asset, "amount": "1", "request_id": "t", "to_account": self.second.pk,
            },
            "accounts/<int:account>/reset": {"request_id": "r"},
            "accounts/<int:account>/cancel-after": {"seconds": 60},
            "accounts/<int:account>/positions": {
                "symbol": self.market.symbol, "side": "buy", "volume": "1", "request_id": "p",
            },
            "alerts": {
                "account": self.account.pk, "symbol": self.market.symbol, "direction": "above",
                "price": "50400.00", "request_id": "a",
            },
            "orders": order,
            "orders/dry-run": order,
            "orders/batch": {"orders": [order]},
            "orders/lists": {"kind": "oco", "account": self.account.pk, "symbol": order["symbol"], "orders": [
                {"side": "sell", "type": "limit", "quantity": "1", "price": "51000"},
                {"side": "sell", "type": "stop", "quantity": "1", "trigger_price": "48000"},
            ]},
            "orders/<int:order>": {"price": "48500"},
        }  # fmt: skip
        if "/positions/" in route and "history" not in route and "portfolio" not in route:
            return {"request_id": "p"} | ({"break_even": True} if route.endswith("<int:position>") else {})
        return bodies.get(route, {})


_MEANING = {
    "not_authenticated": NOBODY,
    "permission_denied": DENIED,
    "api_key_wrong_scope": SCOPE,
    "session_required": SESSION,
    "account_not_found": HIDDEN,
    "order_not_found": HIDDEN,
    "alert_not_found": HIDDEN,
    "request_not_found": HIDDEN,
    "position_not_found": HIDDEN,
    "api_key_not_found": HIDDEN,
    "session_not_found": HIDDEN,
    "passkey_not_found": HIDDEN,
    "not_found": HIDDEN,
}


class _Api(Api):
    def generic_call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        call: Callable[..., Any] = getattr(self, method.lower())
        return call(path) if method in {"GET", "DELETE"} else call(path, body)


def _signed_in(user: User) -> _Api:
    api = _Api()
    api.sign_in(user)
    return api


class _Program(SigningApi, _Api):
    pass


@pytest.fixture
def things(market: Market, bob: TradingAccount) -> Things:
    """Bob's: an order, a key, a session, a passkey, a money request that waits, a second account."""
    order = market.buy(bob, 1, 47000, client_order_id="mine")
    market.drain()
    second = make_account(currency=bob.currency, user=bob.user)
    fund(second, bob.currency, 1_000)
    key = create_key(KeyWish(account_id=bob.pk, label="bot"), actor=ACTOR, now=NOW).key
    needs_approval(MoneyKind.CREDIT)
    asked = ask_money(MoneyKind.CREDIT, bob, 5, by_whom=make_user(Role.ADMIN)).request
    names = {
        "account": bob.pk,
        "order": order,
        "client_order_id": "mine",
        "key": key.pk,
        "number": asked.pk,
        "passkey": passkey_of(bob.user).pk,
        "session": sessions.identify(tokens_of(bob.user).access).sid,
        "symbol": market.symbol,
        "position": 1,
        "portfolio": 1,
        "switch": KillSwitch.objects.get(scope="global").pk,
        "alert": place_alert(alert_wanted(market, bob, 50_500), actor=ACTOR, now=NOW).alert.pk,
    }
    resolve(f"{V1}/orders")
    return Things(market, bob, second, names)


def _expected_of_people(rule: Rule, *, signed_in: bool, owner: bool, role: Role = Role.TRADER) -> str:
    if rule.who in {"everybody", "open"}:
        return PAST
    if not signed_in:
        return NOBODY
    if "." in rule.who:
        may = role == Role.SUPER_ADMIN or rule.who in ROLE_PERMISSIONS[role]
        return PAST if may else DENIED
    return HIDDEN if rule.who == "owner" and not owner else PAST


def _expected_of_a_key(rule: Rule, scopes: frozenset[Scope], *, reaches: bool) -> str:
    if rule.who in {"everybody", "open"}:
        return PAST
    if rule.scope is None:
        return SESSION
    if rule.scope not in scopes:
        return SCOPE
    return HIDDEN if rule.who == "owner" and not reaches else PAST


# Doors whose things Bob does not have, and which say so to him as well.
_EMPTY = {
    route for route, _method in TABLE if "<int:position>" in route or "<int:portfolio>" in route
}  # fmt: skip
# Doors that take no credentials answer for their body; what they say is in test_auth.
_BY_BODY = {
    "auth/login",
    "auth/refresh",
    "auth/logout",
    "auth/confirm",
    "auth/webauthn/login/options",
    # Answers as if for another's thing to those who have no passkey.
    "auth/webauthn/confirm/options",
}


def _violations(things: Things, api: _Api, expected: Callable[[Rule], str]) -> dict[str, tuple[str, str]]:
    found = {}
    for (route, method), rule in TABLE.items():
        if route in _BY_BODY and expected(rule) == PAST:
            continue
        said, wanted = things.knock(api, route, method), expected(rule)
        if wanted == PAST and route in _EMPTY:
            wanted = HIDDEN
        if said != wanted:
            found[f"{method} {route}"] = (said, wanted)
    return found


@pytest.mark.parametrize("role", Role)
def test_no_role_reaches_another_persons_things(things: Things, role: Role) -> None:
    user = make_user()
    grant_role(user_id=user.pk, role=role, actor=ACTOR, now=NOW, reason="hired")
    before = everything_stored()
    api = _signed_in(User.objects.get(pk=user.pk))

    violations = _violations(
        things, api, lambda rule: _expected_of_people(rule, signed_in=True, owner=False, role=role)
    )

    assert violations == {}
    assert everything_stored() == before


def test_nobody_gets_past_without_credentials(things: Things) -> None:
    before = everything_stored()

    violations = _violations(
        things, _Api(), lambda rule: _expected_of_people(rule, signed_in=False, owner=False)
    )

    assert violations == {}
    assert everything_stored() == before


def test_the_owner_gets_past_every_door(things: Things) -> None:
    api = _signed_in(things.account.user)

    assert _violations(things, api, lambda rule: _expected_of_people(rule, signed_in=True, owner=True)) == {}


def _key(account: TradingAccount, scopes: frozenset[Scope]) -> Key:
    return make_key(account, scopes=scopes, allowed_ips=("127.0.0.0/8",))


@pytest.mark.parametrize(
    "scopes", [frozenset(), frozenset({Scope.TRADE}), frozenset({Scope.WITHDRAW}), frozenset(Scope)]
)
def test_a_key_gets_as_far_as_its_scopes(things: Things, scopes: frozenset[Scope]) -> None:
    program, held = _Program(_key(things.account, scopes)), scopes | {Scope.READ}

    assert _violations(things, program, lambda rule: _expected_of_a_key(rule, held, reaches=True)) == {}


@pytest.mark.parametrize("whose", ["the owner's second account", "a stranger's"])
def test_a_key_reaches_its_own_account_alone(things: Things, alice: TradingAccount, whose: str) -> None:
    before = everything_stored()
    program = _Program(_key(alice if whose == "a stranger's" else things.second, frozenset(Scope)))
    held = frozenset(Scope)

    assert _violations(things, program, lambda rule: _expected_of_a_key(rule, held, reaches=False)) == {}
    assert everything_stored() == before
