"""Addresses of the doors to positions over time, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from orders.history.api import views

urlpatterns = [
    path(
        "accounts/<int:account>/positions/history",
        views.PositionHistoryView.as_view(),
        name="account-positions-history",
    ),
    path("accounts/<int:account>/report", views.ReportView.as_view(), name="account-report"),
    path("portfolios", views.PortfolioListView.as_view(), name="portfolios"),
    path("portfolios/<int:portfolio>/positions", views.PortfolioView.as_view(), name="portfolio-positions"),
]
