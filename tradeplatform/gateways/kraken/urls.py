"""Addresses of this dialect, below /0/."""

from __future__ import annotations

from django.urls import path, re_path

from tradeplatform.gateways.kraken.views import AssetPairsView, unknown_method

api = [
    path("public/AssetPairs", AssetPairsView.as_view(), name="kraken-asset-pairs"),
    re_path("", unknown_method),
]
