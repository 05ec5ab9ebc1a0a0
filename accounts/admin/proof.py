"""Proof: every rule green or red, the rows that break one, the nights before, and a check of now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from accounts.models import ProofRun
from accounts.services.proving import Step, prove_in_steps
from audit.admin.acting import actor_of
from tradeplatform.common.admin import show
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Custom, Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone
from tradeplatform.common.invariants import all_invariants

CHECK = "accounts.add_proofrun"
_HISTORY = 14
# The pages of the rows that a breach names, some of floors above: only their addresses are known here.
_PAGES = {
    "transfer": "accounts_transfer",
    "last_correction": "accounts_transfer",
    "entry": "accounts_transfer",
    "ledger_account": "accounts_ledgeraccount",
    "money_request": "accounts_moneyrequest",
    "account": "accounts_tradingaccount",
    "order": "orders_order",
    "trade": "orders_trade",
    "event": "orders_event",
    "command": "orders_command",
    "instrument": "instruments_instrument",
    "book": "orders_book",
    "shard": "orders_shard",
}


@admin.register(ProofRun)
class ProofRunAdmin(DetailMixin, KeysetList):
    """All stored runs, the newest first; `proof` is the page people open."""

    question = "Did everything hold, each night?"
    when_empty = "No proof was stored yet: press Check now on the page Proof, or run `manage.py proof`."
    list_display = ("number", "moment", "result", "by", "rules", "took")
    list_display_links = ("number",)

    @admin.display(description="Proof")
    def number(self, run: ProofRun) -> SafeString | str:
        """Its number."""
        return show.mono(run.pk)

    @admin.display(description="When (UTC)")
    def moment(self, run: ProofRun) -> SafeString | str:
        """When."""
        return show.when(run.at)

    @admin.display(description="Result")
    def result(self, run: ProofRun) -> SafeString:
        """Green or red."""
        return _result(run)

    @admin.display(description="By")
    def by(self, run: ProofRun) -> str:
        """Beat, a command, or a person."""
        return run.actor_label

    @admin.display(description="Invariants")
    def rules(self, run: ProofRun) -> SafeString:
        """How many were checked."""
        return show.number(len(run.findings))

    @admin.display(description="Seconds")
    def took(self, run: ProofRun) -> SafeString:
        """How long it took."""
        return show.number(run.seconds)

    def badges(self, run: ProofRun) -> Iterable[SafeString]:
        """Green or red."""
        return [_result(run)]

    def panels(self, request: HttpRequest, run: ProofRun) -> Iterable[Panel]:
        """Each rule with the rows that break it, and the balances it was about."""
        yield Facts(
            "",
            [
                Fact("When (UTC)", show.when(run.at)),
                Fact("By", run.actor_label),
                Fact("Seconds", run.seconds),
            ],
            wide=True,
        )
        yield _findings_panel([_row(finding) for finding in run.findings])
        yield Table(
            "The balances it was true of",
            columns("Asset", "#Ledger accounts", "#Sum", "SHA-256 of id:balance, in the order of ids"),
            [
                [asset, show.whole(row["accounts"]), _plain(row["sum"]), show.mono(row["sha256"])]
                for asset, row in run.balances.items()
            ],
            empty="There was no ledger account yet.",
        )

    def get_urls(self) -> list[Any]:
        """The page and its check, before the addresses of runs, which match everything."""
        view = self.admin_site.admin_view
        return [
            path("now/", view(self.proof_view), name="proof"),
            path("now/check/", view(require_POST(self.check_view)), name="proof_check"),
            *super().get_urls(),
        ]

    def proof_view(self, request: HttpRequest) -> HttpResponse:
        """The newest result of every rule, and the runs before it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        runs = list(ProofRun.objects.order_by("-id")[:_HISTORY])
        known = {finding["code"]: _row(finding) for finding in runs[0].findings} if runs else {}
        rows = [known.get(rule.code) or _unknown(rule.code, rule.title) for rule in all_invariants()]
        context = self.admin_site.each_context(request) | {
            "title": "Proof",
            "latest": runs[0] if runs else None,
            "result": _result(runs[0]) if runs else "",
            "panel": _findings_panel(rows),
            "history": _history_panel(runs),
            "may_check": request.user.has_perm(CHECK),
            "check_url": reverse("admin:proof_check"),
        }
        return TemplateResponse(request, "accounts/proof.html", context)

    def check_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """Prove now: one line of JSON for each rule as it is done, and one for the stored run."""
        if not (self.has_view_permission(request) and request.user.has_perm(CHECK)):
            raise PermissionDenied
        lines = _lines(prove_in_steps(actor=actor_of(request), now=timezone.now()))
        return StreamingHttpResponse(
            lines, content_type="application/x-ndjson", headers={"Cache-Control": "no-store"}
        )


def _lines(steps: Iterator[Step | ProofRun]) -> Iterator[str]:
    for step in steps:
        if isinstance(step, Step):
            row = render_to_string("accounts/proof_row.html", {"row": _row(step.as_json())})
            told = {"code": step.finding.code, "place": step.place, "of": step.of, "row": row}
        else:
            url, holds = show.page_of(step, step.pk), step.holds
            told = {"run": step.pk, "holds": holds, "url": url, "seconds": str(step.seconds)}
        yield json.dumps(told) + "\n"


def _findings_panel(rows: list[dict[str, Any]]) -> Custom:
    return Custom("Invariants", "accounts/proof_findings.html", {"rows": rows})


def _history_panel(runs: list[ProofRun]) -> Table:
    return Table(
        "Runs",
        columns("Proof", "When (UTC)", "Result", "By", "#Invariants", "#Seconds"),
        [
            [
                show.ref(run, run.pk),
                show.when(run.at),
                _result(run),
                run.actor_label,
                len(run.findings),
                run.seconds,
            ]
            for run in runs
        ],
        empty="No proof was stored yet. One is made each night, and by Check now.",
        more=(show.list_of(ProofRun), "All of them") if runs else None,
    )


def _row(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "code": finding["code"],
        "title": finding["title"],
        "state": "good" if finding["holds"] else "bad",
        "word": "Holds" if finding["holds"] else "Broken",
        "examined": show.whole(finding["examined"]),
        "seconds": finding["seconds"],
        "breaches": [
            [(name, _breach(name, value)) for name, value in row.items()] for row in finding["breaches"]
        ],
    }


def _unknown(code: str, title: str) -> dict[str, Any]:
    return {"code": code, "title": title, "state": "quiet", "word": "Not checked yet", "breaches": []}


def _breach(name: str, value: Any) -> object:
    """A value of a row that breaks a rule: a link where its name says which page it has."""
    page = _PAGES.get(name)
    if page is None or not str(value).isdigit():
        return value
    try:
        return show.link(reverse(f"admin:{page}_change", args=[value]), value)
    except NoReverseMatch:
        return value


def _result(run: ProofRun) -> SafeString:
    if run.holds:
        return show.badge("All hold", Tone.GOOD)
    broken = sum(not finding["holds"] for finding in run.findings)
    return show.badge(f"{broken} broken", Tone.BAD)


def _plain(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number
