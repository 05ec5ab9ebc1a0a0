"""Everything about money is of one realm, and the database lets none of it cross into the other."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

# What the house earned from play money and from real money was one balance: nobody can tell them apart now.
NOTHING_MIXED = """
DO $$ BEGIN
    IF EXISTS (
        SELECT 1 FROM accounts_tradingaccount a JOIN accounts_ledgeraccount l ON l.account_id = a.id
        WHERE a.type = 'demo' AND EXISTS (
            SELECT 1 FROM accounts_transfer t WHERE t.debit_id = l.id OR t.credit_id = l.id)
    ) THEN
        RAISE EXCEPTION 'This ledger has demo money mixed with live money, from before they were kept apart:'
            ' it cannot be carried over. Start from an empty database (make clean).';
    END IF;
END $$;
"""
# Demo accounts without a transfer have ledger accounts at most; those get the realm of their account.
BACKFILL = """
UPDATE accounts_ledgeraccount l SET realm = a.realm
FROM accounts_tradingaccount a WHERE a.id = l.account_id AND a.realm <> l.realm;
"""

WALL = """
ALTER TABLE accounts_ledgeraccount
    ADD CONSTRAINT ledger_of_its_accounts_realm FOREIGN KEY (account_id, realm)
        REFERENCES accounts_tradingaccount (id, realm);
"""
NO_WALL = """
ALTER TABLE accounts_ledgeraccount DROP CONSTRAINT ledger_of_its_accounts_realm;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0012_references_by_statement'),
        ('instruments', '0006_instrument_realm'),
    ]

    operations = [
        migrations.RunSQL(NOTHING_MIXED, migrations.RunSQL.noop),
        pgtrigger.migrations.RemoveTrigger(
            model_name='ledgeraccount',
            name='identity_is_fixed',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='transfer',
            name='references',
        ),
        migrations.RemoveConstraint(
            model_name='ledgeraccount',
            name='ledger_one_per_kind_and_asset',
        ),
        migrations.AddField(
            model_name='ledgeraccount',
            name='realm',
            field=models.CharField(choices=[('live', 'Live'), ('demo', 'Demo')], default='live', max_length=4),
        ),
        migrations.AddField(
            model_name='tradingaccount',
            name='realm',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(then=models.Value('demo'), type='demo'), default=models.Value('live')), output_field=models.CharField(choices=[('live', 'Live'), ('demo', 'Demo')], max_length=4)),
        ),
        migrations.AddField(
            model_name='transfer',
            name='realm',
            field=models.CharField(choices=[('live', 'Live'), ('demo', 'Demo')], default='live', max_length=4),
        ),
        migrations.RunSQL(BACKFILL, migrations.RunSQL.noop),
        pgtrigger.migrations.AddTrigger(
            model_name='ledgeraccount',
            trigger=pgtrigger.compiler.Trigger(name='identity_is_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."account_id" IS DISTINCT FROM (NEW."account_id") OR OLD."asset_id" IS DISTINCT FROM (NEW."asset_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."realm" IS DISTINCT FROM (NEW."realm"))', func="\n    RAISE EXCEPTION 'ledger account % keeps its kind, account, asset and realm:'\n        ' transfer_debit_of_asset and transfer_credit_of_asset rest on it', OLD.id\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_identity_is_fixed';\n", hash='693dcaf681f2e7b145561c9ef782661718ca7aa3', operation='UPDATE', pgid='pgtrigger_identity_is_fixed_e213f', table='accounts_ledgeraccount', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='transfer',
            trigger=pgtrigger.compiler.Trigger(name='references', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT debit_id, asset_id, realm FROM added) added\n    WHERE (SELECT true FROM accounts_ledgeraccount named WHERE named.id = added.debit_id AND named.asset_id = added.asset_id AND named.realm = added.realm) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference transfer_debit_of_asset_and_realm', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transfer_debit_of_asset_and_realm';\nEND IF;\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT credit_id, asset_id, realm FROM added) added\n    WHERE (SELECT true FROM accounts_ledgeraccount named WHERE named.id = added.credit_id AND named.asset_id = added.asset_id AND named.realm = added.realm) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference transfer_credit_of_asset_and_realm', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'transfer_credit_of_asset_and_realm';\nEND IF;\nRETURN NULL;", hash='b232f6abeaee41f2e75f45565470b57e8b5f4182', level='STATEMENT', operation='INSERT', pgid='pgtrigger_references_a193e', referencing='REFERENCING NEW TABLE AS added ', table='accounts_transfer', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.UniqueConstraint(condition=models.Q(('account__isnull', True)), fields=('kind', 'asset', 'realm'), name='ledger_one_per_kind_and_asset'),
        ),
        migrations.AddConstraint(
            model_name='tradingaccount',
            constraint=models.UniqueConstraint(fields=('id', 'realm'), name='account_id_and_realm'),
        ),
        migrations.RunSQL(WALL, NO_WALL),
    ]
