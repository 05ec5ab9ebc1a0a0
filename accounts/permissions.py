"""Which role may do what: the one table behind the admin, the API and the buttons."""

from __future__ import annotations

from accounts.models import Role

# Django permission names, app_label.codename. Super admins hold every permission there is.
_LOOK = frozenset(
    {
        "orders.view_order", "orders.view_trade", "orders.view_fill", "orders.view_event",
        "orders.view_command", "orders.view_shard", "orders.view_book", "orders.view_quarantine",
        "accounts.view_tradingaccount", "accounts.view_ledgeraccount", "accounts.view_transfer",
        "accounts.view_user", "instruments.view_instrument", "instruments.view_asset",
        "instruments.view_quote",
        "accounts.view_tradinggroup", "accounts.view_position",
        "accounts.view_moneyrequest", "accounts.view_kyclimit",
        "history.view_liveposition", "history.view_externaltrade", "history.view_refusedtrade",
        "history.view_correction", "history.view_frozenperiod", "history.view_portfolio",
        "accounts.view_proofrun", "marketdata.view_pricealert", "risk.view_killswitch",
        "accounts.view_apikey", "accounts.view_session", "accounts.view_ratetier",
        "reconciliation.view_break", "reconciliation.view_match", "reconciliation.view_statementline",
        "reconciliation.view_importedstatement", "reconciliation.view_statementsource",
        "reconciliation.view_statementupload", "reconciliation.view_reconciliationrun",
    }
)  # fmt: skip

# Deciding also needs the role that the policy of the act asks for.
_OVERSEE = frozenset(
    {"audit.view_auditrecord", "audit.view_approvalrequest", "audit.decide_approvalrequest",
     "audit.view_approvalpolicy", "accounts.add_proofrun"}
)  # fmt: skip

# A write-off also needs another person's approval.
_RECONCILE = frozenset(
    {"reconciliation.import_statement", "reconciliation.match_break", "reconciliation.assign_break",
     "reconciliation.write_off_break", "reconciliation.run_reconciliation"}
)  # fmt: skip

ROLE_PERMISSIONS: dict[Role, frozenset[str]] = {
    Role.USER: frozenset(),
    Role.TRADER: frozenset(),
    Role.SUPPORT: _LOOK
    | {"orders.cancel_order", "marketdata.cancel_pricealert", "accounts.reset_tradingaccount"},
    Role.RISK_MANAGER: _LOOK
    | _OVERSEE
    | {"accounts.revoke_apikey", "accounts.end_session",
       "orders.cancel_order", "orders.amend_order", "instruments.halt_instrument",
       "instruments.resume_instrument", "instruments.set_quote", "accounts.deal_position",
       "accounts.lock_tradingaccount", "history.add_portfolio", "history.change_portfolio",
       "marketdata.cancel_pricealert", "risk.stop_killswitch", "risk.release_killswitch"},
    Role.COMPLIANCE_OFFICER: _LOOK
    | _OVERSEE
    | _RECONCILE
    | {"accounts.lock_tradingaccount", "accounts.export_transfer", "accounts.revoke_apikey",
       "accounts.end_session", "risk.stop_killswitch"},
    Role.ADMIN: _LOOK
    | _OVERSEE
    | _RECONCILE
    | {"reconciliation.add_statementsource", "reconciliation.change_statementsource",
       "orders.cancel_order", "orders.amend_order", "instruments.halt_instrument",
       "instruments.resume_instrument", "instruments.change_instrument", "instruments.add_instrument",
       "instruments.add_asset", "instruments.change_asset", "instruments.set_quote",
       "accounts.deal_position", "accounts.add_tradinggroup", "accounts.change_tradinggroup",
       "accounts.revoke_apikey", "accounts.end_session", "accounts.change_ratetier",
       "accounts.close_tradingaccount", "accounts.deposit_tradingaccount",
       "accounts.withdraw_tradingaccount", "accounts.correct_transfer", "accounts.export_transfer",
       "accounts.adjust_tradingaccount", "accounts.transfer_tradingaccount",
       "accounts.reset_tradingaccount",
       "accounts.credit_tradingaccount", "accounts.change_kyclimit", "accounts.lock_tradingaccount",
       "accounts.add_tradingaccount", "accounts.change_tradingaccount", "accounts.add_user",
       "accounts.change_user", "accounts.grant_role", "orders.start_shard", "audit.change_approvalpolicy",
       "django_partition.manage_partitions", "history.add_frozenperiod", "history.add_portfolio",
       "history.change_portfolio", "marketdata.cancel_pricealert", "risk.stop_killswitch",
       "risk.release_killswitch"},
}  # fmt: skip

# Roles that open the back office; traders and users have the API and the feed.
STAFF_ROLES = frozenset(
    {Role.SUPPORT, Role.RISK_MANAGER, Role.COMPLIANCE_OFFICER, Role.ADMIN, Role.SUPER_ADMIN}
)


def permissions_of(roles: set[Role]) -> frozenset[str]:
    """The union of what these roles may do."""
    return frozenset().union(*(ROLE_PERMISSIONS.get(role, frozenset()) for role in roles))
