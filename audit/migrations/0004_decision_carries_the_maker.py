"""A decision's maker is its request's: a foreign key of both says so, beside the check that keeps the checker apart."""

from django.db import migrations

FORWARD = """
ALTER TABLE audit_approvaldecision
    ADD CONSTRAINT approval_decision_of_request_and_maker FOREIGN KEY (request_id, maker_id)
        REFERENCES audit_approvalrequest (id, maker_id);
"""
REVERSE = "ALTER TABLE audit_approvaldecision DROP CONSTRAINT approval_decision_of_request_and_maker;"


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_approvals")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
