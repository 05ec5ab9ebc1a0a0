"""Addresses of the order doors, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from orders.api import dry_run, history, kill_switch, orders, private, shards, timers

urlpatterns = [
    path("orders", orders.OrdersView.as_view(), name="orders"),
    path("orders/dry-run", dry_run.DryRunView.as_view(), name="orders-dry-run"),
    path("orders/batch", orders.BatchView.as_view(), name="orders-batch"),
    path("orders/lists", orders.ListsView.as_view(), name="orders-lists"),
    path(
        "orders/by-client-id/<int:account>/<path:client_order_id>",
        orders.OrderByClientIdView.as_view(),
        name="order-by-client-id",
    ),
    path("orders/<int:order>", orders.OrderView.as_view(), name="order"),
    path("orders/<int:order>/fills", history.OrderFillsView.as_view(), name="order-fills"),
    path("orders/<int:order>/events", history.OrderEventsView.as_view(), name="order-events"),
    path("accounts/<int:account>/cancel-after", timers.CancelAfterView.as_view(), name="cancel-after"),
    path("accounts/<int:account>/events", private.PrivateEventsView.as_view(), name="private-events"),
    path("kill-switch", kill_switch.KillSwitchView.as_view(), name="kill-switch"),
    path(
        "kill-switch/<int:switch>/release", kill_switch.KillReleaseView.as_view(), name="kill-switch-release"
    ),
    path("system/shards", shards.ShardsView.as_view(), name="system-shards"),
    path("fills", history.FillsView.as_view(), name="fills"),
]
