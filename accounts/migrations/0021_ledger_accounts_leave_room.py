"""Leave half of each page of ledger accounts free, so that a new balance stays on its page.

A batch writes most of an instrument's ledger accounts at once, each a second version of its row. Where pages
are packed, two of five went to another page and into every index; with half of the page free all are HOT.
In the batch of bench_settlement with 400 accounts and 2,000 trades, on one database, 61.3 and 59.1 % of 4,802
updates were HOT on packed pages, and 100.0 % with room; `--updates --accounts 400 --trades 2000 --rounds 1`
counts them. Pages that are full already get room as their rows move.

Nothing else changes here: books and shards are HOT throughout, and orders and commands never can be, for each
update changes a status that partial indexes ask for.
"""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    """Room for updates."""

    dependencies = [("accounts", "0020_password_set_by")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE accounts_ledgeraccount SET (fillfactor = 50)",
            "ALTER TABLE accounts_ledgeraccount RESET (fillfactor)",
        )
    ]
