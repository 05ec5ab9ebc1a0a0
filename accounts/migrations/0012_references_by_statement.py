"""References of transfers are checked once a statement instead of row by row; what they name is fixed now."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


DROP = """
ALTER TABLE accounts_transfer
    DROP CONSTRAINT transfer_debit_of_asset,
    DROP CONSTRAINT transfer_credit_of_asset;
"""
ADD = """
ALTER TABLE accounts_transfer
    ADD CONSTRAINT transfer_debit_of_asset FOREIGN KEY (debit_id, asset_id)
        REFERENCES accounts_ledgeraccount (id, asset_id),
    ADD CONSTRAINT transfer_credit_of_asset FOREIGN KEY (credit_id, asset_id)
        REFERENCES accounts_ledgeraccount (id, asset_id);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_vault_and_api_keys'),
    ]

    operations = [
        migrations.RunSQL(DROP, ADD),
        migrations.RemoveConstraint(
            model_name='ledgeraccount',
            name='ledger_id_and_asset',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgeraccount',
            trigger=pgtrigger.compiler.Trigger(name='identity_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."account_id" IS DISTINCT FROM (NEW."account_id") OR OLD."asset_id" IS DISTINCT FROM (NEW."asset_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind"))', func="\n    RAISE EXCEPTION 'ledger account % keeps its kind, account and asset:'\n        ' transfer_debit_of_asset and transfer_credit_of_asset rest on it', OLD.id\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_identity_is_fixed';\n", hash='7e6aed33c2e512172afa0075920d1a389ed19485', operation='UPDATE', pgid='pgtrigger_identity_is_fixed_e213f', table='accounts_ledgeraccount', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='transfer',
            trigger=pgtrigger.compiler.Trigger(name='references', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT debit_id, asset_id FROM added) added\n    WHERE (SELECT true FROM accounts_ledgeraccount named WHERE named.id = added.debit_id AND named.asset_id = added.asset_id) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference transfer_debit_of_asset', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transfer_debit_of_asset';\nEND IF;\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT credit_id, asset_id FROM added) added\n    WHERE (SELECT true FROM accounts_ledgeraccount named WHERE named.id = added.credit_id AND named.asset_id = added.asset_id) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference transfer_credit_of_asset', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transfer_credit_of_asset';\nEND IF;\nRETURN NULL;", hash='1a58553fce73e6e414d91ebd3925dade5092ab7d', level='STATEMENT', operation='INSERT', pgid='pgtrigger_references_a193e', referencing='REFERENCING NEW TABLE AS added ', table='accounts_transfer', when='AFTER')),
        ),
    ]
