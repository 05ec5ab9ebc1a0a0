"""The act of reconciliation that takes two people."""

from __future__ import annotations

from accounts.models import Role, User
from accounts.reconciliation.services.writing_off import ACTION, ended, execute, preview
from audit.approvable import Act, DefaultPolicy, approvable
from audit.models import ApprovalRequest

#: What an operator needs to ask for it.
RIGHT = "reconciliation.write_off_break"


def _maker_may(approval: ApprovalRequest) -> bool:
    maker = User.objects.filter(id=approval.maker_id, is_active=True).first()
    return maker is not None and maker.has_perm(RIGHT)


approvable(
    Act(
        name=ACTION,
        title="Write-off",
        maker_may=_maker_may,
        preview=preview,
        execute=execute,
        ended=ended,
        policies=(DefaultPolicy(Role.COMPLIANCE_OFFICER.value),),
    )
)
