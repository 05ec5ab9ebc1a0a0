"""Addresses of the instrument doors, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from instruments.api import views

urlpatterns = [
    path("instruments", views.InstrumentListView.as_view(), name="instruments"),
    path("instruments/<str:symbol>", views.InstrumentView.as_view(), name="instrument"),
]
