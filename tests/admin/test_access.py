"""Who may open what: the matrix of roles and pages is read from the registry and the one table of rights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, UserRole
from accounts.permissions import ROLE_PERMISSIONS, STAFF_ROLES
from accounts.services.roles import grant_role
from tests.admin.conftest import Lived, SignIn, operator
from tests.admin.registry import PAGES
from tests.factories import ACTOR, make_user
from tradeplatform.common.admin.buttons import Button

STAFF = sorted(STAFF_ROLES)


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


def may(role: Role, permission: str) -> bool:
    return role == Role.SUPER_ADMIN or permission in ROLE_PERMISSIONS[role]


def view_permission(page: Any) -> str:
    return f"{page.opts.app_label}.view_{page.opts.model_name}"


@dataclass(frozen=True, slots=True)
class Opened:
    """What somebody of a role was answered: by each list, and by the page of a row of each."""

    role: Role
    lists: dict[str, Any]
    rows: dict[str, Any]


@pytest.fixture(scope="module", params=STAFF)
def opened(request: pytest.FixtureRequest, lived_once: Lived) -> Opened:
    """Asked once for both tests that look at it: making all the pages of a role costs seconds."""
    client, rows = Client(), lived_once.rows
    client.force_login(operator(request.param), backend="accounts.backends.RoleBackend")
    lists = {page.opts.label_lower: page.url_of_list() for page in PAGES}
    details = {
        page.opts.label_lower: reverse(page._name("change"), args=[rows[page.opts.label_lower]])
        for page in PAGES
    }
    return Opened(
        request.param,
        {name: client.get(url) for name, url in lists.items()},
        {name: client.get(url) for name, url in details.items()},
    )


def test_staff_open_exactly_the_pages_their_role_names(opened: Opened) -> None:
    expected, found = {}, {}
    for page in PAGES:
        name = page.opts.label_lower
        status = 200 if may(opened.role, view_permission(page)) else 403
        expected[name] = (status, status)
        found[name] = (opened.lists[name].status_code, opened.rows[name].status_code)

    assert found == expected


def test_a_page_shows_only_buttons_that_may_be_pressed(opened: Opened) -> None:
    answers = [opened.rows[page.opts.label_lower] for page in PAGES]
    pages = [answer for answer in answers if answer.status_code == 200]
    shown = {item["button"].permission for page in pages for item in page.context["buttons"]}

    assert shown
    assert all(may(opened.role, permission) for permission in shown)


@pytest.mark.parametrize("role", STAFF)
def test_staff_press_exactly_the_buttons_their_role_names(role: Role, sign_in: SignIn, lived: Lived) -> None:
    client, rows = sign_in(role), lived.rows
    expected, found = {}, {}
    for page in PAGES:
        for button in [*page.buttons, *page.list_buttons]:
            key = f"{page.opts.label_lower} {button.name}"
            allowed = may(role, button.permission) and may(role, view_permission(page))
            expected[key] = allowed
            found[key] = client.get(_address(page, button, rows)).status_code != 403

    assert found == expected


@pytest.mark.parametrize("role", STAFF)
def test_market_and_dashboard_open_for_all_staff(role: Role, sign_in: SignIn, lived: Lived) -> None:
    client = sign_in(role)

    assert client.get(reverse("admin:index")).status_code == 200
    assert client.get(reverse("admin:market", args=[lived.market.symbol])).status_code == 200


@pytest.mark.parametrize("role", [Role.USER, Role.TRADER])
def test_clients_are_sent_to_the_login(role: Role, sign_in: SignIn) -> None:
    client = sign_in(role)
    addresses = [page.url_of_list() for page in PAGES] + [reverse("admin:index"), reverse("admin:markets")]

    answers = [client.get(address) for address in addresses]

    assert {answer.status_code for answer in answers} == {302}
    assert all(answer.headers["Location"].startswith("/admin/login/") for answer in answers)


def test_strangers_are_sent_to_the_login(db: None) -> None:
    answer = Client().get(reverse("admin:orders_order_changelist"))

    assert answer.status_code == 302
    assert answer.headers["Location"] == "/admin/login/?next=/admin/orders/order/"


def test_a_role_that_has_expired_opens_nothing(sign_in: SignIn) -> None:
    user = make_user()
    now = timezone.now()
    soon = now + timedelta(hours=1)
    grant_role(user_id=user.id, role=Role.SUPPORT, actor=ACTOR, now=now, reason="stand-in", expires_at=soon)
    user.refresh_from_db()
    client = sign_in(user=user)
    assert client.get(reverse("admin:index")).status_code == 200

    UserRole.objects.filter(user=user).update(expires_at=now - timedelta(seconds=1))

    assert user.is_staff
    assert client.get(reverse("admin:index")).status_code == 302


def test_a_deactivated_person_is_out_with_the_next_request(sign_in: SignIn) -> None:
    user = operator(Role.ADMIN)
    client = sign_in(user=user)
    assert client.get(reverse("admin:index")).status_code == 200

    user.is_active = False
    user.save(update_fields=["is_active"])

    assert client.get(reverse("admin:index")).status_code == 302


def _address(page: Any, button: type[Button], rows: dict[str, Any]) -> str:
    if button in page.list_buttons:
        return reverse(page._name("new"), args=[button.name])
    return reverse(page._name("act"), args=[rows[page.opts.label_lower], button.name])
