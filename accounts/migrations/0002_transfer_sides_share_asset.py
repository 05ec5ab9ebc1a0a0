"""Both sides of a transfer must be accounts of its asset: foreign keys on (id, asset) say so."""

from django.db import migrations

FORWARD = """
ALTER TABLE accounts_transfer
    ADD CONSTRAINT transfer_debit_of_asset FOREIGN KEY (debit_id, asset_id)
        REFERENCES accounts_ledgeraccount (id, asset_id),
    ADD CONSTRAINT transfer_credit_of_asset FOREIGN KEY (credit_id, asset_id)
        REFERENCES accounts_ledgeraccount (id, asset_id);
"""
REVERSE = """
ALTER TABLE accounts_transfer
    DROP CONSTRAINT transfer_debit_of_asset,
    DROP CONSTRAINT transfer_credit_of_asset;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
