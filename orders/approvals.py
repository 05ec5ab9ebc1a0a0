"""Which acts of orders always need another person: the steps by which a kill switch is released."""

from __future__ import annotations

from datetime import timedelta

from accounts.models import Role, User
from audit.approvable import Act, DefaultPolicy, approvable, nothing_held
from audit.models import ApprovalRequest
from orders.services import kill_switch

#: What asking for it needs.
RIGHT = "risk.release_killswitch"


def _maker_may(approval: ApprovalRequest) -> bool:
    maker = User.objects.filter(id=approval.maker_id, is_active=True).first()
    return maker is not None and maker.has_perm(RIGHT)


approvable(
    Act(
        name=kill_switch.RELEASE,
        title="Release kill switch",
        maker_may=_maker_may,
        preview=kill_switch.preview_release,
        execute=kill_switch.execute_release,
        ended=nothing_held,
        policies=(DefaultPolicy(Role.COMPLIANCE_OFFICER.value, expires_after=timedelta(hours=8)),),
        always=True,
    )
)
