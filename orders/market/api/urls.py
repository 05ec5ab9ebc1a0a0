"""Addresses of the market doors, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from orders.market.api import alerts, views

urlpatterns = [
    path("instruments/<str:symbol>/depth", views.DepthView.as_view(), name="depth"),
    path("instruments/<str:symbol>/trades", views.TradesView.as_view(), name="trades"),
    path("instruments/<str:symbol>/ticker", views.TickerView.as_view(), name="ticker"),
    path("instruments/<str:symbol>/best", views.BestView.as_view(), name="best"),
    path("instruments/<str:symbol>/average-price", views.AveragePriceView.as_view(), name="average-price"),
    path("instruments/<str:symbol>/candles", views.CandlesView.as_view(), name="candles"),
    path("instruments/<str:symbol>/indicators", views.IndicatorView.as_view(), name="indicators"),
    path("tickers", views.TickersView.as_view(), name="tickers"),
    path("tickers/best", views.BestsView.as_view(), name="tickers-best"),
    path("alerts", alerts.AlertsView.as_view(), name="alerts"),
    path("alerts/<int:alert>", alerts.AlertView.as_view(), name="alert"),
]
