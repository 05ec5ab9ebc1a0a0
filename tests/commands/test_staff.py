"""`manage.py staff`, `createsuperuser`: the first people are made on the server's shell, and recorded."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.backends import roles_of
from accounts.models import Role, User
from accounts.services.identity import ask_identity_change
from audit.models import ApprovalState, AuditRecord
from tests.audit.agreeing import agree
from tests.audit.naming import by
from tests.factories import NOW, make_user

pytestmark = pytest.mark.django_db


def run(*options: str) -> str:
    out = StringIO()
    call_command("staff", *options, "--reason", "first day", stdout=out)
    return out.getvalue()


def recorded() -> list[tuple[str, str, str]]:
    rows = AuditRecord.objects.filter(target_type="accounts.user").order_by("id")
    return list(rows.values_list("actor_label", "action", "target_label"))


def superuser(name: str = "root") -> User:
    call_command("createsuperuser", "--noinput", "--username", name, "--email", f"{name}@example.com")
    return User.objects.get(username=name)


def test_a_platform_with_one_person_gets_its_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """From nothing: a super admin, an officer, and then an act of the one that the other agrees to."""
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long enough phrase 7!")
    root = superuser()
    said = run("add", "olga", "--email", "olga@example.com", "--role", "compliance_officer")

    olga = User.objects.get(username="olga")
    assert olga.check_password(said.strip().rpartition(" ")[2])
    assert (roles_of(root), roles_of(olga)) == ({Role.SUPER_ADMIN}, {Role.COMPLIANCE_OFFICER})
    assert recorded() == [
        ("shell", "accounts.role.grant", "root"),
        ("shell", "accounts.user.create", "olga"),
        ("shell", "accounts.role.grant", "olga"),
    ]
    asked = ask_identity_change(
        user_id=make_user().pk,
        changes={"kyc_level": 1},
        request_id="one",
        actor=by(root),
        now=NOW,
        reason="papers",
    )
    assert agree(asked, olga).state == ApprovalState.DONE


def test_a_password_is_told_once_and_the_act_is_recorded() -> None:
    run("add", "olga", "--email", "olga@example.com", "--role", "support")

    said = run("password", "olga")

    assert User.objects.get(username="olga").check_password(said.strip().rpartition(" ")[2])
    assert recorded()[-1] == ("shell", "accounts.user.set_password", "olga")


def test_a_login_that_was_shut_is_opened_and_a_factor_that_is_not_there_is_said() -> None:
    run("add", "olga", "--email", "olga@example.com", "--role", "support")
    User.objects.update(is_active=False)

    assert run("reopen", "olga") == "olga may log in again.\n"

    assert User.objects.get(username="olga").is_active
    with pytest.raises(CommandError, match="second_factor_off"):
        run("reset-factor", "olga")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("grant", "nobody", "--role", "admin"), "Nobody is called nobody."),
        (("add", "olga", "--email", "none", "--role", "admin"), "invalid_field"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(options: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run(*options)

    assert (User.objects.count(), AuditRecord.objects.count()) == (0, 0)


def test_djangos_own_command_for_passwords_says_where_to_go() -> None:
    with pytest.raises(CommandError, match=r"manage\.py staff password"):
        call_command("changepassword", "olga")
