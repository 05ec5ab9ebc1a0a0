"""Which acts of audit itself always need another person: its own policies."""

from __future__ import annotations

from audit.approvable import Act, DefaultPolicy, approvable, house, nothing_held
from audit.models import ApprovalRequest
from audit.services import policy_requests

# The word of a role of the floor above: whoever oversees, and does not make policies.
_OFFICER = "compliance_officer"


def _maker_may(approval: ApprovalRequest) -> bool:
    return house().may(approval.maker_id, policy_requests.RIGHT)


approvable(
    Act(
        name=policy_requests.ADD,
        title="Add approval policy",
        maker_may=_maker_may,
        preview=policy_requests.preview_add,
        execute=policy_requests.execute_add,
        ended=nothing_held,
        policies=(DefaultPolicy(_OFFICER),),
        always=True,
    )
)
approvable(
    Act(
        name=policy_requests.CHANGE,
        title="Change approval policy",
        maker_may=_maker_may,
        preview=policy_requests.preview_change,
        execute=policy_requests.execute_change,
        ended=nothing_held,
        policies=(DefaultPolicy(_OFFICER),),
        always=True,
    )
)
