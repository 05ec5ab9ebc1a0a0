"""API keys and sessions in the back office: who sees them, how they end, and that no secret is shown."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import ApiKey, Role, Session, SessionEnd
from tests.accounts.keys import make_key
from tests.admin.conftest import SignIn
from tests.admin.pressing import press, recorded
from tests.admin.registry import act, address
from tests.api.client import Api, refused
from tests.api.signing import SigningApi
from tests.factories import make_account, make_asset, make_user, tokens_of

REASON = "found in a public repository"


@pytest.mark.django_db
def test_a_key_is_revoked_by_a_button(boss: Client) -> None:
    key = make_key(make_account(currency=make_asset()))
    assert SigningApi(key).get("/accounts").status_code == 200

    answer = press(boss, act(ApiKey, key.row.pk, "revoke"), reason=REASON)

    assert answer.status_code == 302
    # pytest's transaction never commits, so the memory of this process is not told.
    key.row.refresh_from_db()
    assert key.row.revoked_at is not None
    (record,) = recorded("accounts.api_key.revoke")
    assert (record.reason, record.target_id) == (REASON, str(key.row.pk))
    again = boss.get(act(ApiKey, key.row.pk, "revoke"))
    assert again.status_code == 302


@pytest.mark.django_db
def test_no_page_shows_a_secret(boss: Client) -> None:
    key = make_key(make_account(currency=make_asset()))

    for url in (address(ApiKey, "changelist"), address(ApiKey, "change", key.row.pk)):
        page = boss.get(url).content.decode()
        assert key.row.label in page
        assert key.secret not in page
    found = boss.get(address(ApiKey, "changelist"), {"q": key.key_id}).content.decode()
    assert key.row.label in found


@pytest.mark.django_db
def test_a_session_is_ended_by_a_button(boss: Client) -> None:
    person = make_user(Role.TRADER)
    api = Api().sign_in(person)
    session = Session.objects.get()
    assert api.get("/auth/me").status_code == 200

    press(boss, act(Session, session.pk, "end"), reason=REASON)

    refused(api.get("/auth/me"), "not_authenticated", 401)
    session.refresh_from_db()
    assert session.ended_why == SessionEnd.OPERATOR
    (record,) = recorded("accounts.session.close")
    assert (record.reason, record.target_label) == (REASON, person.username)


@pytest.mark.django_db
@pytest.mark.parametrize(("ended", "shown"), [("not", 1), ("operator", 0)])
def test_sessions_are_filtered_by_their_end(boss: Client, ended: str, shown: int) -> None:
    tokens_of(make_user())

    page = boss.get(address(Session, "changelist"), {"ended": ended})

    assert len(page.context["cl"].result_list) == shown


@pytest.mark.django_db
def test_support_looks_and_presses_nothing(sign_in: SignIn) -> None:
    key = make_key(make_account(currency=make_asset()))
    support = sign_in(Role.SUPPORT)

    assert support.get(address(ApiKey, "change", key.row.pk)).status_code == 200
    assert support.get(act(ApiKey, key.row.pk, "revoke")).status_code == 403
