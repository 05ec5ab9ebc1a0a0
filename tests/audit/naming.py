"""An act for tests of approvals: it puts a letter behind an asset's name, and one it held before that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Concat

from accounts.models import Role, User
from audit.actor import Actor
from audit.approvable import Act, EffectRow, approvable
from audit.models import ApprovalRequest, ApprovalState
from audit.services.approving import Target, ask, decide
from audit.services.policies import add_policy
from instruments.models import Asset
from tests.factories import ACTOR, NOW, make_asset, make_user
from tradeplatform.common.errors import Code, Refusal

ACTION = "tests.asset.name"


def _preview(payload: Mapping[str, Any]) -> Sequence[EffectRow]:
    name = Asset.objects.get(id=payload["asset"]).name
    return [("Name", name, name + payload["letter"])]


def _add(asset_id: int, letter: str) -> None:
    Asset.objects.filter(id=asset_id).update(name=Concat("name", Value(letter)))


def _execute(approval: ApprovalRequest, actor: Actor, now: datetime) -> None:
    _add(approval.payload["asset"], approval.payload["letter"])
    if approval.payload["letter"] == "?":
        raise Refusal(Code.INSUFFICIENT_FUNDS, "The letters are spent.")


def _ended(approval: ApprovalRequest, state: ApprovalState, now: datetime) -> None:
    _add(approval.payload["asset"], f"({state.value})")


def _maker_may(approval: ApprovalRequest) -> bool:
    return User.objects.get(id=approval.maker_id).has_perm("instruments.change_asset")


NAMING = approvable(Act(ACTION, "Name an asset", _maker_may, _preview, _execute, _ended))


def by(user: User) -> Actor:
    """The person as an actor."""
    return Actor.user(user_id=user.pk, label=user.username)


def add_naming_policy(**changes: Any) -> int:
    """A policy for the act: one compliance officer within a day, unless told otherwise; its id."""
    values = {"role": Role.COMPLIANCE_OFFICER, "expires_after": timedelta(days=1)}
    return add_policy(action=ACTION, values=values | changes, actor=ACTOR, now=NOW, reason="rules").pk


def ask_for(thing: Asset, maker: User, letter: str = "!", **changes: Any) -> ApprovalRequest | None:
    """Ask to put a letter behind the asset's name."""
    values: dict[str, Any] = {
        "action": ACTION,
        "target": Target("instruments.asset", thing.pk, thing.code),
        "payload": {"asset": thing.pk, "letter": letter},
        "request_id": "one",
        "reason": "it lacks a letter",
        "actor": by(maker),
        "now": NOW,
    }
    with transaction.atomic():
        return ask(**(values | changes))


def approved_by(checker: User) -> ApprovalRequest:
    """A request of somebody else that the checker has approved."""
    add_naming_policy()
    approval = ask_for(make_asset(), make_user(Role.ADMIN))
    assert approval is not None
    return decide(approval_id=approval.pk, approve=True, actor=by(checker), now=NOW, reason="seen")
