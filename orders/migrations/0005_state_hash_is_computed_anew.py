"""The engine hashes an order by another formula: what books remember of the old one can match nothing."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0004_order_types_and_phases")]

    # A book without a hash is rebuilt from its open orders and takes theirs with the next command.
    operations = [
        migrations.RunSQL(
            "UPDATE orders_book SET state_hash = ''", reverse_sql="UPDATE orders_book SET state_hash = ''"
        )
    ]
