"""Store the identities of orders as what they are: rows that are added and never changed.

Their table is cut by nothing and grows for ever. Its rows are frozen at the first visit, and that comes each
time a fiftieth has been added: see django_partition.policy.APPEND_ONLY, which partitions get by their policy.
"""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    """Storage parameters."""

    dependencies = [("orders", "0014_orders_by_statement")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE orders_orderidentity"
            " SET (autovacuum_freeze_min_age = 0, autovacuum_vacuum_insert_scale_factor = 0.02)",
            "ALTER TABLE orders_orderidentity"
            " RESET (autovacuum_freeze_min_age, autovacuum_vacuum_insert_scale_factor)",
        )
    ]
