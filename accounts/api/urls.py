"""Addresses of the account doors, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from accounts.api import auth, keys, money, schemes, second_factor, views, webauthn

__all__ = ["schemes", "urlpatterns"]

urlpatterns = [
    path("auth/login", auth.LoginView.as_view(), name="auth-login"),
    path("auth/refresh", auth.RefreshView.as_view(), name="auth-refresh"),
    path("auth/logout", auth.LogoutView.as_view(), name="auth-logout"),
    path("auth/confirm", auth.ConfirmView.as_view(), name="auth-confirm"),
    path("auth/sessions", auth.SessionsView.as_view(), name="auth-sessions"),
    path("auth/sessions/<str:session>", auth.SessionView.as_view(), name="auth-session"),
    path("auth/keys", keys.KeysView.as_view(), name="auth-keys"),
    path("auth/keys/<int:key>", keys.KeyView.as_view(), name="auth-key"),
    path("auth/keys/<int:key>/rotate", keys.RotateKeyView.as_view(), name="auth-key-rotate"),
    path("auth/second-factor", second_factor.SecondFactorView.as_view(), name="auth-second-factor"),
    path(
        "auth/second-factor/confirm",
        second_factor.ConfirmSecondFactorView.as_view(),
        name="auth-second-factor-confirm",
    ),
    path(
        "auth/second-factor/recovery-codes",
        second_factor.RecoveryCodesView.as_view(),
        name="auth-second-factor-codes",
    ),
    path("auth/webauthn/passkeys", webauthn.PasskeysView.as_view(), name="auth-passkeys"),
    path(
        "auth/webauthn/passkeys/options",
        webauthn.NewPasskeyOptionsView.as_view(),
        name="auth-passkey-options",
    ),
    path("auth/webauthn/passkeys/<int:passkey>", webauthn.PasskeyView.as_view(), name="auth-passkey"),
    path("auth/webauthn/login/options", webauthn.LoginOptionsView.as_view(), name="auth-login-options"),
    path(
        "auth/webauthn/confirm/options",
        webauthn.ConfirmOptionsView.as_view(),
        name="auth-confirm-options",
    ),
    path("auth/me", auth.MeView.as_view(), name="auth-me"),
    path("accounts", views.AccountListView.as_view(), name="accounts"),
    path("accounts/<int:account>/balances", views.BalanceListView.as_view(), name="account-balances"),
    path("accounts/<int:account>/ledger", views.LedgerView.as_view(), name="account-ledger"),
    path(
        "accounts/<int:account>/ledger/export",
        views.LedgerExportView.as_view(),
        name="account-ledger-export",
    ),
    path("accounts/<int:account>/statement", views.StatementView.as_view(), name="account-statement"),
    path("accounts/<int:account>/withdrawals", money.WithdrawalsView.as_view(), name="account-withdrawals"),
    path("accounts/<int:account>/transfers", money.TransfersView.as_view(), name="account-transfers"),
    path("accounts/<int:account>/requests", money.MoneyRequestsView.as_view(), name="account-requests"),
    path(
        "accounts/<int:account>/requests/<int:number>",
        money.MoneyRequestView.as_view(),
        name="account-request",
    ),
]
