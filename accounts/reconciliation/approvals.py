"""The act of reconciliation that takes two people, whatever the policies say."""

from __future__ import annotations

from accounts.models import Role
from accounts.reconciliation.services.writing_off import ACTION, RIGHT, ended, execute, preview
from audit.approvable import Act, DefaultPolicy, approvable, house
from audit.models import ApprovalRequest


def _maker_may(approval: ApprovalRequest) -> bool:
    return house().may(approval.maker_id, RIGHT)


approvable(
    Act(
        name=ACTION,
        title="Write-off",
        maker_may=_maker_may,
        preview=preview,
        execute=execute,
        ended=ended,
        policies=(DefaultPolicy(Role.COMPLIANCE_OFFICER.value),),
        always=True,
    )
)
