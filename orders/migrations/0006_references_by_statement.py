"""References of trades and fills are checked once a statement instead of row by row."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0012_references_by_statement'),
        ('instruments', '0005_halt_policy_words'),
        ('orders', '0005_state_hash_is_computed_anew'),
    ]

    operations = [
        migrations.AlterField(
            model_name='fill',
            name='account',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.tradingaccount'),
        ),
        migrations.AlterField(
            model_name='fill',
            name='fee_asset',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='instruments.asset'),
        ),
        migrations.AlterField(
            model_name='fill',
            name='instrument',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='instruments.instrument'),
        ),
        migrations.AlterField(
            model_name='trade',
            name='buyer',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.tradingaccount'),
        ),
        migrations.AlterField(
            model_name='trade',
            name='instrument',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='instruments.instrument'),
        ),
        migrations.AlterField(
            model_name='trade',
            name='seller',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.tradingaccount'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='fill',
            trigger=pgtrigger.compiler.Trigger(name='references', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT account_id FROM added) added\n    WHERE (SELECT true FROM accounts_tradingaccount named WHERE named.id = added.account_id) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference fill_of_account', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'fill_of_account';\nEND IF;\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT instrument_id FROM added) added\n    WHERE (SELECT true FROM instruments_instrument named WHERE named.id = added.instrument_id) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference fill_of_instrument', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'fill_of_instrument';\nEND IF;\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT fee_asset_id FROM added) added\n    WHERE (SELECT true FROM instruments_asset named WHERE named.id = added.fee_asset_id) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference fill_of_fee_asset', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'fill_of_fee_asset';\nEND IF;\nRETURN NULL;", hash='5fe06a3dc70af1fcf589595c27fd9b2b7c6411c7', level='STATEMENT', operation='INSERT', pgid='pgtrigger_references_69e80', referencing='REFERENCING NEW TABLE AS added ', table='orders_fill', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='trade',
            trigger=pgtrigger.compiler.Trigger(name='references', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT instrument_id FROM added) added\n    WHERE (SELECT true FROM instruments_instrument named WHERE named.id = added.instrument_id) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference trade_of_instrument', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'trade_of_instrument';\nEND IF;\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT buyer_id FROM added) added\n    WHERE (SELECT true FROM accounts_tradingaccount named WHERE named.id = added.buyer_id) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference trade_of_buyer', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'trade_of_buyer';\nEND IF;\nIF EXISTS (\n    SELECT FROM (SELECT DISTINCT seller_id FROM added) added\n    WHERE (SELECT true FROM accounts_tradingaccount named WHERE named.id = added.seller_id) IS NULL\n) THEN\n    RAISE EXCEPTION 'insert into % breaks reference trade_of_seller', TG_TABLE_NAME\n        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'trade_of_seller';\nEND IF;\nRETURN NULL;", hash='e94378f2ada7a67b1bf411c0c25005bcd250a044', level='STATEMENT', operation='INSERT', pgid='pgtrigger_references_b05aa', referencing='REFERENCING NEW TABLE AS added ', table='orders_trade', when='AFTER')),
        ),
    ]
