"""Reconciliation in the back office: upload, look, import; work through breaks; write off by two."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, Transfer
from accounts.reconciliation.models import (
    Break,
    BreakState,
    ImportedStatement,
    Match,
    ReconciliationRun,
    StatementSource,
    StatementUpload,
)
from accounts.reconciliation.services.uploads import KEPT, forget_old
from audit.models import ApprovalRequest
from tests.admin.conftest import SignIn, operator
from tests.admin.pressing import errors, filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import NOW, make_asset
from tests.reconciliation.banking import (
    LATER,
    account_at,
    asset_of,
    breaks,
    make_source,
    paid_in,
    policy_for_write_offs,
    row,
    statement,
    take,
    the_break,
    uploaded,
)

pytestmark = pytest.mark.django_db


def send(client: Client, source: StatementSource, content: bytes, **answers: Any) -> Any:
    """Fill the form of the upload and send it."""
    url = act(StatementSource, source.pk, "upload")
    data = filled(client, url, reason="the daily file", **answers)
    return client.post(url, data | {"file": SimpleUploadedFile("march.csv", content)})


class TestUploading:
    def test_upload_look_import(self, boss: Client, source: StatementSource) -> None:
        paid_in(account_at(source), 5)
        code = asset_of(source).code

        answer = send(boss, source, statement(row("B1", 5), row("B2", 7)), closing=f"{code}=12.00")

        kept = StatementUpload.objects.get()
        assert answer.headers["Location"] == address(StatementUpload, "change", kept.pk)
        page = boss.get(answer.headers["Location"]).content.decode()
        assert "1 by amount" in page
        assert "12, ours 5: difference 7" in page
        assert "Line 3 becomes a break" in page
        assert f"B2, 7 {code}: missing with us" in page
        assert not ImportedStatement.objects.exists()

        shown = boss.get(act(StatementUpload, kept.pk, "import"))
        assert {effect.label: effect.after for effect in shown.context["effects"]}["New lines"] == "2"
        answer = press(boss, act(StatementUpload, kept.pk, "import"))
        done = ImportedStatement.objects.get()
        assert answer.headers["Location"] == address(ImportedStatement, "change", done.pk)
        assert said(answer) == "2 lines are new, 1 matched; 1 breaks are open."
        assert (done.reason, done.new) == ("the daily file", 2)
        assert not StatementUpload.objects.exists()
        assert "Explained" in boss.get(answer.headers["Location"]).content.decode()

    def test_one_row_at_fault_is_not_several(self, boss: Client, source: StatementSource) -> None:
        send(boss, source, statement(row("B1", 5), row("B2", 0)))

        kept = StatementUpload.objects.get()
        page = boss.get(address(StatementUpload, "change", kept.pk)).content.decode()
        assert "1 of 2 rows is at fault" in page
        assert "1 row at fault" in page
        assert "amount must not be zero." in page

    def test_rows_at_fault_are_shown_by_line_and_cannot_be_imported(
        self, boss: Client, source: StatementSource
    ) -> None:
        send(boss, source, statement(row("B1", "x"), row("=B2", 7)))

        kept = StatementUpload.objects.get()
        page = boss.get(address(StatementUpload, "change", kept.pk)).content.decode()
        assert "2 of 2 rows are at fault" in page
        assert "formula_cell" in page
        answer = boss.get(act(StatementUpload, kept.pk, "import"))
        assert (answer.status_code, said(answer)) == (
            302,
            "Rows of it are at fault: mend the file and upload it again.",
        )

    @pytest.mark.parametrize(
        ("content", "answers", "field"),
        [
            (b"a,b\n1,2\n", {}, "__all__"),
            (statement(row("B1", 1)).decode().encode("utf-16"), {}, "__all__"),
            (b"", {}, "file"),
            (statement(row("B1", 1)), {"closing": "USD"}, "closing"),
            (statement(row("B1", 1)), {"closing": "NONE=1"}, "closing"),
            (statement(row("B1", 1)), {"first": "2026-03-03", "last": "2026-03-01"}, "last"),
            (statement(row("B1", 1)), {"first": "yesterday"}, "first"),
        ],
    )
    def test_a_file_that_is_none_is_said_beside_its_field(
        self, boss: Client, source: StatementSource, content: bytes, answers: dict[str, str], field: str
    ) -> None:
        answer = send(boss, source, content, **answers)

        assert list(errors(answer)) == [field]
        assert not StatementUpload.objects.exists()

    def test_more_than_may_be_uploaded_is_the_form_again_with_what_to_do(
        self, boss: Client, source: StatementSource, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = StatementUpload.objects.count()
        form = act(StatementSource, source.pk, "upload")
        browser = Client(enforce_csrf_checks=True)
        browser.cookies = boss.cookies

        with caplog.at_level(logging.WARNING):
            answer = browser.post(
                form, {"file": SimpleUploadedFile("big.csv", b"x" * settings.MOST_UPLOADED_BYTES)}
            )

        assert (answer.status_code, answer.headers["Location"]) == (302, form)
        page = browser.get(form).content.decode()
        assert "at most 10 MB and 100,000 rows are taken at once" in page
        assert "Split it" in page
        assert "manage.py reconcile import" in page
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
        assert StatementUpload.objects.count() == before

    def test_nobody_is_told_so_who_is_not_signed_in(self, source: StatementSource) -> None:
        answer = Client().post(
            act(StatementSource, source.pk, "upload"),
            {"file": SimpleUploadedFile("big.csv", b"x" * settings.MOST_UPLOADED_BYTES)},
        )

        assert answer.status_code in {302, 400}
        assert "messages" not in answer.cookies

    def test_what_was_known_by_then_adds_nothing(self, boss: Client, source: StatementSource) -> None:
        kept = uploaded(source, row("B1", 5))
        take(source, row("B1", 5), row("B2", 6))

        answer = press(boss, act(StatementUpload, kept.pk, "import"))

        assert said(answer) == "It says nothing that is not known: nothing was added."
        assert ImportedStatement.objects.count() == 1

    def test_a_conflict_by_then_is_said_and_the_upload_stays(
        self, boss: Client, source: StatementSource
    ) -> None:
        kept = uploaded(source, row("B1", 5))
        take(source, row("B1", 6))

        shown = boss.get(act(StatementUpload, kept.pk, "import"))
        answer = press(boss, act(StatementUpload, kept.pk, "import"))

        assert shown.context["effects"][0].label == "It cannot be imported now"
        assert answer.status_code == 409
        assert StatementUpload.objects.count() == 1

    def test_discard_and_forget(self, boss: Client, source: StatementSource) -> None:
        first, second = uploaded(source, row("B1", 5)), uploaded(source, row("B1", 5))

        press(boss, act(StatementUpload, first.pk, "discard"), reason="a wrong file")

        assert [kept.pk for kept in StatementUpload.objects.all()] == [second.pk]
        assert recorded("reconciliation.statement.discard")[0].reason == "a wrong file"
        assert forget_old(now=LATER + KEPT) == 0
        assert forget_old(now=LATER + KEPT + timedelta(seconds=1)) == 1


class TestSources:
    def test_add_edit_and_match_again(self, boss: Client) -> None:
        asset = make_asset(decimals=2)
        answers: dict[str, Any] = {
            "name": "first-bank", "kind": "funding", "assets": asset.code, "counterparty": "First Bank",
            "reference_column": "reference", "date_column": "date", "amount_column": "amount",
            "text_column": "text", "our_reference_column": "ours", "reason": "opened today",
        }  # fmt: skip
        press(boss, address(StatementSource, "new", "add"), **answers)
        source = StatementSource.objects.get()
        edit = press(boss, act(StatementSource, source.pk, "edit"), confirm=True, match_days=5, reason="slow")
        take(source, row("B1", 5))

        answer = press(boss, act(StatementSource, source.pk, "match"), reason="look again")

        assert said(edit) == "The next file is read by the new mapping."
        assert StatementSource.objects.get().match_days == 5
        assert said(answer) == "0 matched, 0 breaks closed, 1 are open."
        assert ReconciliationRun.objects.get().actor_label == boss.user.username  # type: ignore[attr-defined]

    def test_a_ledger_account_that_is_taken(self, boss: Client, source: StatementSource) -> None:
        answers: dict[str, Any] = {
            "name": "other", "kind": "funding", "assets": asset_of(source).code, "counterparty": "x",
            "reference_column": "r", "date_column": "d", "amount_column": "a", "reason": "x",
        }  # fmt: skip

        answer = press(boss, address(StatementSource, "new", "add"), **answers)

        assert errors(answer) == {"assets": ["Another source is reconciled with this ledger account."]}


class TestBreaks:
    def test_the_chart_counts_by_age_and_leads_to_them(self, boss: Client, source: StatementSource) -> None:
        now = timezone.now()
        for days in (0, 1, 2, 5, 6, 30, 31, 90):
            take(source, row(f"B{days}", 1 + days, at=now - timedelta(days=days)), now=now)

        page = boss.get(address(Break, "changelist"))

        (counts,) = page.context["ages"].rows
        assert [str(cell).count("href") for cell in counts[1:5]] == [1, 1, 1, 1]
        for place, name in enumerate(["B0 B1", "B2 B5", "B6 B30", "B31 B90"]):
            found = boss.get(f"{address(Break, 'changelist')}?age={place}&source={source.name}")
            told = {found.line.reference for found in found.context["cl"].result_list}
            assert told == set(name.split())

    def test_closed_breaks_are_there_when_asked_for(self, boss: Client, source: StatementSource) -> None:
        paid_in(account_at(source), 5)
        take(source, row("B1", 7))
        take(source, row("B2", 5))

        def listed(**query: str) -> int:
            return len(boss.get(address(Break, "changelist"), query).context["cl"].result_list)

        assert [listed(), listed(state="matched"), listed(state="all"), listed(state="x")] == [1, 1, 2, 1]

    def test_match_by_hand_shows_both_sums(self, boss: Client, source: StatementSource) -> None:
        transfer = paid_in(account_at(source), 5, at=NOW - timedelta(days=20))
        take(source, row("B1", 5))
        found = the_break(source)
        url = act(Break, found.pk, "match")
        answers: dict[str, Any] = {"transfers": f"{transfer.pk}", "reason": "late"}

        shown = press(boss, url, **answers)
        assert [str(effect.label) for effect in shown.context["effects"]] == [
            "Theirs",
            "Ours",
            "The two sides",
        ]
        assert shown.context["effects"][-1].after == "match"
        press(boss, url, confirm=True, **answers)

        assert Match.objects.get().rule == "hand"
        assert breaks(source) == []
        assert boss.get(url).status_code == 302  # it is matched already

    @pytest.mark.parametrize(
        ("answers", "field"),
        [
            ({"transfers": "x"}, "transfers"),
            ({"lines": "B1, B9"}, "lines"),
            ({"transfers": "1 2"}, "transfers"),
            ({"transfers": "999999999"}, "transfers"),
        ],
    )
    def test_numbers_that_are_none(
        self, boss: Client, source: StatementSource, answers: dict[str, Any], field: str
    ) -> None:
        take(source, row("B1", 5))

        answer = press(boss, act(Break, the_break(source).pk, "match"), reason="x", **answers)

        assert list(errors(answer)) == [field]

    def test_take_apart(self, boss: Client, source: StatementSource) -> None:
        paid_in(account_at(source), 5)
        take(source, row("B1", 5))
        match = Match.objects.get()

        press(boss, act(Match, match.pk, "undo"), reason="another's")

        assert len(breaks(source)) == 2
        assert boss.get(act(Match, match.pk, "undo")).status_code == 302
        assert "another&#x27;s" in boss.get(address(Match, "change", match.pk)).content.decode()

    def test_assign_and_note_are_on_its_page(self, boss: Client, source: StatementSource) -> None:
        take(source, row("B1", 5))
        found = the_break(source)

        press(boss, act(Break, found.pk, "assign"), reason="I know the bank")
        press(boss, act(Break, found.pk, "note"), reason="called them: tomorrow")

        page = boss.get(address(Break, "change", found.pk)).content.decode()
        assert "called them: tomorrow" in page
        assert the_break(source).assignee == boss.user  # type: ignore[attr-defined]
        again = press(boss, act(Break, found.pk, "assign"), reason="again")
        assert list(errors(again)) == ["username"]
        other = press(boss, act(Break, found.pk, "assign"), username="nobody", reason="again")
        assert list(errors(other)) == ["username"]

    def test_the_other_side_is_proposed(self, boss: Client, source: StatementSource) -> None:
        transfer = paid_in(account_at(source), 5, at=NOW - timedelta(days=6))
        take(source, row("B1", 5), first=(NOW - timedelta(days=7)).date())
        theirs = Break.objects.get(kind="ours")

        panels = boss.get(address(Break, "change", theirs.pk)).context["panels"]

        likely = next(panel for panel in panels if panel.title == "Could be the other side")
        assert [str(transfer.pk) in str(cells[-1]) for cells in likely.rows] == [True]

    def test_a_transfers_page_says_what_the_bank_says(self, boss: Client, source: StatementSource) -> None:
        transfer = paid_in(account_at(source), 5)

        def told() -> str:
            panels = boss.get(address(Transfer, "change", transfer.pk)).context["panels"]
            (panel,) = [panel for panel in panels if panel.title == "Reconciliation"]
            return " ".join(str(cell) for cells in panel.rows for cell in cells)

        assert told() == ""
        take(source, row("B1", 7))
        assert "Missing with them" in told()
        take(source, row("B2", 5))
        assert "Amount within days" in told()


class TestWritingOff:
    def test_by_two_people_with_the_effect_before_each_press(
        self, sign_in: SignIn, source: StatementSource
    ) -> None:
        policy_for_write_offs()
        maker, officer = sign_in(Role.ADMIN), sign_in(user=operator(Role.COMPLIANCE_OFFICER))
        take(source, row("B1", "-2.50"))
        found = the_break(source)

        shown = maker.get(act(Break, found.pk, "write-off")).context["effects"]
        answer = press(maker, act(Break, found.pk, "write-off"), reason="account fee")

        assert [effect.label for effect in shown][1:] == [
            "Suspense balance",
            f"Break {found.pk}",
            "Approval",
        ]
        assert shown[-1].after == "waits for 1 compliance officer: nothing moves before"
        assert "was sent for approval" in said(answer)
        approval = ApprovalRequest.objects.get()
        assert "Write-off waits" in maker.get(address(Break, "change", found.pk)).content.decode()
        inbox = officer.get(act(ApprovalRequest, approval.pk, "approve")).context["effects"]
        assert [effect.label for effect in inbox][1:3] == [
            "Funding (outside world) balance",
            "Suspense balance",
        ]
        assert maker.get(act(ApprovalRequest, approval.pk, "approve")).status_code == 302

        press(officer, act(ApprovalRequest, approval.pk, "approve"), reason="right")

        found.refresh_from_db()
        assert found.state == BreakState.WRITTEN_OFF
        transfer = Transfer.objects.get(kind="write_off")
        assert (
            f"Write-off of break {found.pk}"
            in officer.get(address(Transfer, "change", transfer.pk)).content.decode()
        )

    def test_without_a_policy_the_page_says_for_whom_it_waits(
        self, boss: Client, source: StatementSource
    ) -> None:
        take(source, row("B1", "-2.50"))
        url = act(Break, the_break(source).pk, "write-off")

        waits = "waits for 1 compliance officer: nothing moves before"
        assert boss.get(url).context["effects"][-1].after == waits
        assert "was sent for approval" in said(press(boss, url, reason="fee"))
        assert ApprovalRequest.objects.get().state == "pending"
        assert the_break(source).state == BreakState.OPEN

    def test_support_looks_and_touches_nothing(self, sign_in: SignIn, source: StatementSource) -> None:
        take(source, row("B1", 5))
        client, found = sign_in(Role.SUPPORT), the_break(source)

        assert client.get(address(Break, "change", found.pk)).context["buttons"] == []
        assert client.get(reverse("admin:reconciliation_statementupload_changelist")).status_code == 200
        assert client.get(act(Break, found.pk, "write-off")).status_code == 403


@pytest.fixture
def source() -> StatementSource:
    return make_source()
