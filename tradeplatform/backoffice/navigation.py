"""The side bar: what this person may open, grouped by what an operator is doing."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.backends import roles_held
from audit.selectors import waiting_for

_MOST = 99

# (title, icon, permission to see it, address)
_Item = tuple[str, str, str, str]

_GROUPS: tuple[tuple[str, tuple[_Item, ...]], ...] = (
    (
        "Trading",
        (
            ("Markets", "candlestick_chart", "orders.view_book", "markets"),
            ("Orders", "receipt_long", "orders.view_order", "orders_order_changelist"),
            ("Trades", "handshake", "orders.view_trade", "orders_trade_changelist"),
            ("Fills", "join_inner", "orders.view_fill", "orders_fill_changelist"),
            ("Instruments", "tune", "instruments.view_instrument", "instruments_instrument_changelist"),
            ("Quotes", "currency_exchange", "instruments.view_quote", "instruments_quote_changelist"),
            ("Kill switch", "emergency_home", "risk.view_killswitch", "risk_killswitch_changelist"),
            ("Price alerts", "notifications_active", "marketdata.view_pricealert",
             "marketdata_pricealert_changelist"),
            ("Assets", "toll", "instruments.view_asset", "instruments_asset_changelist"),
        ),
    ),
    (
        "Clients and money",
        (
            ("Trading accounts", "account_balance_wallet", "accounts.view_tradingaccount",
             "accounts_tradingaccount_changelist"),
            ("Leveraged positions", "trending_up", "accounts.view_position",
             "accounts_position_changelist"),
            ("Groups", "workspaces", "accounts.view_tradinggroup", "accounts_tradinggroup_changelist"),
            ("Ledger accounts", "account_balance", "accounts.view_ledgeraccount",
             "accounts_ledgeraccount_changelist"),
            ("Transfers", "sync_alt", "accounts.view_transfer", "accounts_transfer_changelist"),
            ("Money requests", "request_quote", "accounts.view_moneyrequest",
             "accounts_moneyrequest_changelist"),
            ("KYC limits", "speed", "accounts.view_kyclimit", "accounts_kyclimit_changelist"),
            ("People and roles", "group", "accounts.view_user", "accounts_user_changelist"),
            ("Sessions", "devices", "accounts.view_session", "accounts_session_changelist"),
            ("Rate tiers", "speed", "accounts.view_ratetier", "accounts_ratetier_changelist"),
            ("API keys", "key", "accounts.view_apikey", "accounts_apikey_changelist"),
        ),
    ),
    (
        "Positions over time",
        (
            ("Positions", "stacked_line_chart", "history.view_liveposition",
             "history_liveposition_changelist"),
            ("Fees and P&L", "bar_chart", "history.view_liveposition", "report"),
            ("Portfolios", "pie_chart", "history.view_portfolio", "history_portfolio_changelist"),
            ("External trades", "move_to_inbox", "history.view_externaltrade",
             "history_externaltrade_changelist"),
            ("Refused trades", "report", "history.view_refusedtrade", "history_refusedtrade_changelist"),
            ("Frozen periods", "ac_unit", "history.view_frozenperiod", "history_frozenperiod_changelist"),
            ("Corrections", "edit_calendar", "history.view_correction", "history_correction_changelist"),
        ),
    ),
    (
        "Reconciliation",
        (
            ("Breaks", "difference", "reconciliation.view_break", "reconciliation_break_changelist"),
            ("Statements", "description", "reconciliation.view_importedstatement",
             "reconciliation_importedstatement_changelist"),
            ("Uploads", "upload_file", "reconciliation.view_statementupload",
             "reconciliation_statementupload_changelist"),
            ("Lines", "format_list_bulleted", "reconciliation.view_statementline",
             "reconciliation_statementline_changelist"),
            ("Matches", "link", "reconciliation.view_match", "reconciliation_match_changelist"),
            ("Runs", "event_repeat", "reconciliation.view_reconciliationrun",
             "reconciliation_reconciliationrun_changelist"),
            ("Statement sources", "assured_workload", "reconciliation.view_statementsource",
             "reconciliation_statementsource_changelist"),
        ),
    ),
    (
        "Engine",
        (
            ("System", "monitor_heart", "orders.view_shard", "system"),
            ("Shards", "memory", "orders.view_shard", "orders_shard_changelist"),
            ("Books", "menu_book", "orders.view_book", "orders_book_changelist"),
            ("Commands", "terminal", "orders.view_command", "orders_command_changelist"),
            ("Events", "history", "orders.view_event", "orders_event_changelist"),
            ("Quarantine", "gpp_maybe", "orders.view_quarantine", "orders_quarantine_changelist"),
        ),
    ),
    (
        "Oversight",
        (
            ("Approvals", "fact_check", "audit.view_approvalrequest", "audit_approvalrequest_changelist"),
            ("Approval policies", "rule", "audit.view_approvalpolicy", "audit_approvalpolicy_changelist"),
            ("Proof", "verified", "accounts.view_proofrun", "proof"),
            ("Audit records", "policy", "audit.view_auditrecord", "audit_auditrecord_changelist"),
            ("Partitions", "calendar_view_month", "django_partition.manage_partitions",
             "django_partition_partitionedtable_changelist"),
        ),
    ),
)  # fmt: skip


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups and their items, in the shape the theme wants; a group without items is left out."""
    may = request.user.has_perm
    dashboard = {"title": "Dashboard", "icon": "dashboard", "link": reverse("admin:index")}
    own = {"title": "My security", "icon": "passkey", "link": reverse("admin:my-security")}
    groups: list[dict[str, Any]] = [{"items": [dashboard, own]}]
    for title, items in _GROUPS:
        shown = [
            {"title": label, "icon": icon, "link": reverse(f"admin:{name}"), "badge": _badge(request, name)}
            for label, icon, permission, name in items
            if may(permission)
        ]
        if shown:
            groups.append({"title": title, "separator": True, "items": shown})
    return groups


def _badge(request: HttpRequest, name: str) -> str:
    """How many acts wait for this very person, beside the inbox; nothing where none does."""
    if name != "audit_approvalrequest_changelist":
        return ""
    waits = waiting_for(request.user.pk or 0, roles_held(request.user), now=timezone.now())
    count = waits[: _MOST + 1].count()
    return f"{_MOST}+" if count > _MOST else str(count or "")
