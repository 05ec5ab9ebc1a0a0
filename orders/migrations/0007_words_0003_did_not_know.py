"""Commands and events that 0003 did not know keep their meaning on the way back, and find it again.

0004 goes back by giving halts and resumptions their old numbers: 5 of a command, 10 of an event. Those are the
numbers of Time and of Mass cancelled since. They step aside before, by a hundred, so that going forward again
does not take them for resumptions. One that still waits cannot be understood there: drain it first.
"""

from django.db import migrations

FORWARDS = """
    UPDATE orders_command SET kind = kind - 100 WHERE kind IN (105, 106);
    ALTER TABLE orders_event DISABLE TRIGGER pgtrigger_append_only_13408;
    UPDATE orders_event SET kind = 10 WHERE kind = 110;
    ALTER TABLE orders_event ENABLE TRIGGER pgtrigger_append_only_13408;
"""
BACKWARDS = """
    DO $$ BEGIN
        IF EXISTS (SELECT 1 FROM orders_command WHERE kind IN (5, 6) AND status = 'pending') THEN
            RAISE EXCEPTION 'Commands of kind Time or Mass cancel wait: drain them before going back.';
        END IF;
    END $$;
    UPDATE orders_command SET kind = kind + 100 WHERE kind IN (5, 6);
    ALTER TABLE orders_event DISABLE TRIGGER pgtrigger_append_only_13408;
    UPDATE orders_event SET kind = 110 WHERE kind = 10;
    ALTER TABLE orders_event ENABLE TRIGGER pgtrigger_append_only_13408;
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_references_by_statement")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
