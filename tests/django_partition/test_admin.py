"""The admin pages: who may see them, what they show, and a plan applied only as it was shown."""

import html
import json
from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Role, User
from django_partition import services
from tests.django_partition.app.models import Statement
from tests.django_partition.conftest import names
from tests.factories import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

TABLE = "partition_testapp_statement"


def url(view: str, *args: str) -> str:
    return reverse(f"admin:django_partition_partitionedtable_{view}", args=[quote(each) for each in args])


LIST, DETAIL, APPLY = "changelist", "change", "apply"


@pytest.fixture(autouse=True)
def plain_permissions(settings: Settings) -> None:
    """Permissions as Django itself gives them, whatever rules the project has."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]


def clerk() -> User:
    """Staff who may come in, and nothing else."""
    user = make_user(Role.SUPPORT)
    User.objects.filter(id=user.id).update(is_staff=True, username="operator")
    return user


@pytest.fixture
def operator(client: Client) -> Client:
    """Staff with the one permission, signed in."""
    user = clerk()
    user.user_permissions.add(Permission.objects.get(codename="manage_partitions"))
    client.force_login(user)
    return client


def shown_plan(client: Client) -> str:
    """What the confirmation page would post."""
    return str(client.get(url(APPLY, TABLE)).context["shown"])


def test_all_tables_in_a_list(operator: Client) -> None:
    Statement.objects.create(id=1, closed_at=datetime(2028, 2, 29, tzinfo=UTC), text="")
    page = operator.get(url(LIST))
    rows = {
        row["period"]: row for row in page.context["grids"]["Tables"] if "partition_testapp" in row["table"]
    }
    assert url(DETAIL, TABLE) in rows["month"]["table"]
    assert {
        key: rows["month"][key] for key in ("key", "ahead", "retain", "partitions", "default has rows")
    } == {
        "key": "closed_at",
        "ahead": 2,
        "retain": "-",
        "partitions": 0,
        "default has rows": "yes",
    }
    assert rows["day"]["default has rows"] == "no"
    assert f">{TABLE}</a>" in page.content.decode()


def test_one_table_with_its_plan(operator: Client) -> None:
    page = operator.get(url(DETAIL, TABLE))
    assert [row["lower"] for row in page.context["grids"][f"Plan for {TABLE}"]] == [
        "2028-02-01 00:00 UTC",
        "2028-03-01 00:00 UTC",
        "2028-04-01 00:00 UTC",
    ]
    text = page.content.decode()
    assert f'href="{url(APPLY, TABLE)}"' in text
    assert f"{TABLE}_default" in text
    services.apply_plan(Statement)
    after = operator.get(url(DETAIL, TABLE)).content.decode()
    assert url(APPLY, TABLE) not in after
    assert f"{TABLE}_2028_03" in after


def test_looking_at_the_plan_applies_nothing(operator: Client) -> None:
    page = operator.get(url(APPLY, TABLE))
    assert "Yes, apply this plan" in page.content.decode()
    assert html.escape(page.context["shown"]) in page.content.decode()
    assert names(Statement) == []


def test_the_plan_is_applied_as_shown_and_logged(operator: Client) -> None:
    answer = operator.post(url(APPLY, TABLE), {"plan": shown_plan(operator)}, follow=True)
    assert answer.redirect_chain == [(url(DETAIL, TABLE), 302)]
    assert names(Statement) == ["2028_02", "2028_03", "2028_04"]
    assert [str(each) for each in answer.context["messages"]] == [
        f"{TABLE}: create 2028_02, create 2028_03, create 2028_04."
    ]
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.object_repr, entry.user.get_username()) == (TABLE, TABLE, "operator")
    assert entry.change_message == "create 2028_02, create 2028_03, create 2028_04"
    assert entry.get_admin_url() == url(DETAIL, TABLE)


@pytest.mark.parametrize("stale", [True, False])
def test_another_plan_than_the_one_shown_is_not_applied(operator: Client, *, stale: bool) -> None:
    posted = {"plan": shown_plan(operator)} if stale else {}
    Statement.objects.create(id=1, closed_at=datetime(2028, 2, 29, tzinfo=UTC), text="")
    answer = operator.post(url(APPLY, TABLE), posted)
    assert answer.status_code == 200
    assert "The plan has changed meanwhile" in answer.content.decode()
    assert json.loads(answer.context["shown"])[0]["moves_rows"] is True
    assert names(Statement) == []
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("where", [(LIST,), (DETAIL, TABLE), (APPLY, TABLE)])
def test_staff_without_the_permission_is_refused(client: Client, method: str, where: tuple[str, ...]) -> None:
    client.force_login(clerk())
    assert getattr(client, method)(url(*where)).status_code == 403
    assert names(Statement) == []
    assert "Partitioned tables" not in client.get(reverse("admin:index")).content.decode()


def test_others_are_sent_to_the_login(client: Client) -> None:
    assert client.get(url(APPLY, TABLE)).headers["Location"].startswith(reverse("admin:login"))


def test_unknown_tables_are_not_found(operator: Client) -> None:
    assert operator.get(url(DETAIL, "auth_group")).status_code == 404
    assert operator.get(url(APPLY, "auth_group")).status_code == 404


def test_the_menu_leads_here_and_to_nothing_that_adds_or_deletes(operator: Client) -> None:
    text = operator.get(reverse("admin:index")).content.decode()
    assert f'href="{url(LIST)}"' in text
    for route in ("add/", f"{quote(TABLE)}/delete/", f"{quote(TABLE)}/history/"):
        assert operator.get(url(LIST) + route).status_code == 404
