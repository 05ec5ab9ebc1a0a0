"""Addresses of the dealing doors, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from liquidity.api import views

_POSITIONS = "accounts/<int:account>/positions"

urlpatterns = [
    path(_POSITIONS, views.PositionsView.as_view(), name="leveraged-positions"),
    path(f"{_POSITIONS}/close-all", views.CloseAllView.as_view(), name="leveraged-positions-close-all"),
    path(f"{_POSITIONS}/<int:position>", views.PositionView.as_view(), name="leveraged-position"),
    path(f"{_POSITIONS}/<int:position>/close", views.CloseView.as_view(), name="leveraged-position-close"),
    path(
        f"{_POSITIONS}/<int:position>/reverse", views.ReverseView.as_view(), name="leveraged-position-reverse"
    ),
    path("accounts/<int:account>/reset", views.ResetView.as_view(), name="account-reset"),
    path("accounts/<int:account>/margin", views.MarginView.as_view(), name="account-margin"),
]
