"""The kill switch in the back office: stop a scope at once, see where it took effect, ask for its release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from audit.admin import asking
from audit.admin.acting import actor_of
from audit.admin.approval_buttons import approvers
from audit.models import ApprovalRequest, AuditRecord
from orders.kill_selectors import OnShard, reach_of, releases_asked_for, with_waiting, would_stop
from orders.models import Shard, ShardStatus
from orders.services import kill_switch
from risk.models import KillAct, KillScope, KillStage, KillSwitch
from risk.models.kill_switch import NEXT_STAGE, PRESSES
from risk.services.kill_switch import Target, find_target
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.fields import choice_field, text_field
from tradeplatform.common.admin.filters import ChoiceFilter
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel, Table, columns
from tradeplatform.common.admin.show import Tone
from tradeplatform.common.errors import Code, Refusal

_TONE = {
    KillStage.STOPPED: Tone.BAD,
    KillStage.NO_ORDERS: Tone.WARN,
    KillStage.LIMIT_ONLY: Tone.WARN,
    KillStage.OPEN: Tone.GOOD,
}
_TAKEN = {
    KillStage.STOPPED: "only cancels are taken",
    KillStage.NO_ORDERS: "only cancels are taken, open orders stay",
    KillStage.LIMIT_ONLY: "limit orders and cancels are taken",
    KillStage.OPEN: "everything is taken",
}
_ACTS = 50


class StageFilter(ChoiceFilter):
    """How far it is open."""

    title, parameters, options = "state", ("stage",), KillStage.choices


class ScopeFilter(ChoiceFilter):
    """What kind of scope."""

    title, parameters, options = "scope", ("scope",), KillScope.choices


class StopForm(ReasonForm):
    """What to stop."""

    scope = choice_field("Stop", KillScope.choices)
    scope_name = text_field(
        "Which",
        required=False,
        help_text="A symbol, an account number, a group's name or an API key's id; empty for everything.",
    )
    when_empty: ClassVar[Mapping[str, str]] = {"scope_name": "everything"}

    def clean(self) -> dict[str, Any]:
        """The scope, if there is one of this name."""
        data = dict(super().clean() or {})
        if scope := data.get("scope"):
            name = data.get("scope_name", "").strip()
            try:
                data["target"] = find_target(KillScope(scope), name)
            except Refusal as refusal:
                self.add_error("scope_name", refusal.message)
        return data


class Stop(Button):
    """Stop a scope: nobody has to agree."""

    name, label, icon = "stop", "Stop", "emergency_home"
    permission = "risk.stop_killswitch"
    form_class: ClassVar[type[ReasonForm]] = StopForm
    danger = True
    previews = True

    def intro(self, obj: KillSwitch | None) -> str:
        """What it does, and how it ends."""
        return (
            "New orders, amends and deals are refused at once, open orders are cancelled, cancels are taken. "
            f"It opens again only in steps: for each one person asks, and {_who_agrees()} must agree. "
            "With this page away: manage.py kill."
        )

    def target(self, obj: KillSwitch | None, data: Mapping[str, Any]) -> Target:
        """What is meant."""
        target: Target = data["target"]
        return target

    def effects(self, obj: KillSwitch | None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """How many orders, of whom."""
        target = self.target(obj, data)
        found = would_stop(target)
        return [
            Effect(capfirst(str(target)), _TAKEN[_stage_of(target)], _TAKEN[KillStage.STOPPED]),
            Effect("Live orders", show.whole(found["orders"]), "0: all are cancelled, their funds released"),
            Effect("Accounts with live orders", show.whole(found["accounts"]), ""),
            Effect("Instruments with live orders", show.whole(found["instruments"]), ""),
        ]

    def act(self, obj: KillSwitch | None, data: Mapping[str, Any]) -> Done:
        """Stop it, and see it through on every shard."""
        pressed = kill_switch.press(
            target=self.target(obj, data),
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        kill_switch.bring_into_effect(pressed.act, clock=timezone.now, patience=_PATIENCE)
        reach, page = reach_of(pressed.act), show.page_of(KillSwitch, pressed.act.switch_id)
        what = capfirst(f"{pressed.act.switch} is stopped") + (" already" if pressed.already else "")
        if reach.slowest_ms is None:
            return Done(f"{what}: in effect on {reach.in_effect} of {len(reach.shards)} shards.", page)
        return Done(f"{what}: the last effect came {reach.slowest_ms:,.0f} ms after the press.", page)


# The web server's own patience with one page is longer.
_PATIENCE = 5.0


class StopAgain(Stop):
    """Stop the scope of this page."""

    form_class = ReasonForm

    def shown(self, obj: KillSwitch) -> bool:
        """While it is not stopped."""
        return obj.stage != KillStage.STOPPED

    def why_not(self, obj: KillSwitch) -> str:
        """It is."""
        return "" if self.shown(obj) else capfirst(f"{obj} is stopped already.")

    def target(self, obj: KillSwitch | None, data: Mapping[str, Any]) -> Target:
        """The row's."""
        if obj is None:
            raise Refusal(Code.NOT_FOUND, "No such kill switch.")
        return Target(KillScope(obj.scope), obj.key, obj.label)


class StopIntake(Stop):
    """Refuse new orders of a scope, and leave those there are."""

    name, label, icon = "stop-intake", "Stop order intake", "front_hand"

    def intro(self, obj: KillSwitch | None) -> str:
        """What it does, and how it ends."""
        return (
            "New orders, amends and deals are refused at once; open orders stay, cancels are taken. It opens "
            f"again when one person asks, and {_who_agrees()} must agree. "
            "With this page away: manage.py kill --keep-orders."
        )

    def effects(self, obj: KillSwitch | None, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What is taken before and after."""
        target = self.target(obj, data)
        after = _TAKEN[KillStage.NO_ORDERS]
        return [Effect(capfirst(str(target)), _TAKEN[_stage_of(target)], after)]

    def act(self, obj: KillSwitch | None, data: Mapping[str, Any]) -> Done:
        """Stop it: it is in effect with the commit."""
        pressed = kill_switch.press(
            target=self.target(obj, data),
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
            keep_orders=True,
        )
        page, switch = show.page_of(KillSwitch, pressed.act.switch_id), pressed.act.switch
        if pressed.already:
            return Done(capfirst(f"{switch}: it takes no orders already."), page)
        return Done(capfirst(f"{switch}: no new orders are taken; cancels are."), page)


class Release(Button):
    """Ask for the next step of its release."""

    name, label, icon = "release", "Release", "lock_open"
    permission = "risk.release_killswitch"

    def shown(self, obj: KillSwitch) -> bool:
        """While there is one."""
        return not obj.is_open

    def why_not(self, obj: KillSwitch) -> str:
        """It is open."""
        return capfirst(f"{obj} is open.") if obj.is_open else ""

    def effects(self, obj: KillSwitch, data: Mapping[str, Any]) -> Sequence[Effect]:
        """One step, once somebody else agrees."""
        now = timezone.now()
        to = NEXT_STAGE[KillStage(obj.stage)]
        return [
            Effect("Taken", _TAKEN[KillStage(obj.stage)], _TAKEN[to]),
            *asking.waits_for(kill_switch.RELEASE, meanwhile="it stays as it is before", now=now),
        ]

    def act(self, obj: KillSwitch, data: Mapping[str, Any]) -> Done:
        """Ask."""
        asked = kill_switch.ask_release(
            switch_id=obj.pk,
            request_id=data["request_id"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return asking.sent(asked, "The release")


@admin.register(KillSwitch)
class KillSwitchAdmin(DetailMixin, BackOfficeList):
    """Every scope that was ever stopped; the global one is always there."""

    question = "What is stopped, since when, and is it in effect everywhere?"
    when_empty = "The global switch is missing, so everything is stopped: run `manage.py migrate`."
    ordering = ("-changed_at",)
    list_display = ("what", "state", "in_effect", "changed")
    list_display_links = ("what",)
    list_filter = (StageFilter, ScopeFilter)
    buttons: ClassVar[list[type[Button]]] = [StopAgain, Release]
    list_buttons: ClassVar[list[type[Button]]] = [Stop, StopIntake]

    def get_queryset(self, request: HttpRequest) -> QuerySet[KillSwitch]:
        """With the shards that each still waits for."""
        return with_waiting(super().get_queryset(request))

    @admin.display(description="Scope")
    def what(self, switch: KillSwitch) -> str:
        """What it stops."""
        return capfirst(str(switch)) if switch.scope == KillScope.GLOBAL else str(switch)

    @admin.display(description="State")
    def state(self, switch: KillSwitch) -> SafeString:
        """How far it is open."""
        stage = KillStage(switch.stage)
        return show.badge(stage.label, _TONE[stage])

    @admin.display(description="In effect")
    def in_effect(self, switch: Any) -> SafeString | str:
        """Where the last press is, of what is not open."""
        if switch.is_open:
            return show.NOTHING
        if not switch.waiting:
            return "Everywhere"
        return show.badge(f"Waits on shard {', '.join(map(str, switch.waiting))}", Tone.WARN)

    @admin.display(description="Since (UTC)")
    def changed(self, switch: KillSwitch) -> SafeString | str:
        """Its last press or release."""
        return show.when(switch.changed_at)

    def heading(self, switch: KillSwitch) -> str:
        """As in the list."""
        return self.what(switch)

    def subheading(self, switch: KillSwitch) -> SafeString | str:
        """Whether its release was asked for."""
        asked = releases_asked_for(switch, now=timezone.now())
        if not asked:
            return ""
        waits = [
            format_html("{} for {}", show.ref(request), approvers(request.needed, request.role))
            for request in asked
        ]
        return show.together(["A release waits for another person than who asked:", *waits])

    def badges(self, switch: KillSwitch) -> Iterable[SafeString]:
        """How far it is open."""
        return [self.state(switch)]

    def warning(self, switch: KillSwitch) -> str:
        """A press that is not in effect everywhere."""
        last = None if switch.is_open else switch.acts.filter(stage__in=PRESSES).last()
        waiting = [] if last is None else reach_of(last).waiting
        if not waiting:
            return ""
        return (
            f"Not in effect on shards {waiting}: no order is taken, and each applies it first once it runs. "
            "A shard that is stopped trades nothing."
        )

    def panels(self, request: HttpRequest, switch: KillSwitch) -> Iterable[Panel]:
        """Where the last press took effect, and every act."""
        acts = list(switch.acts.order_by("-id")[:_ACTS])
        press = next((act for act in acts if act.is_press), None)
        if press is not None:
            reach = reach_of(press)
            slowest = show.NOTHING if reach.slowest_ms is None else f"{reach.slowest_ms:,.0f} ms"
            yield Facts(
                "The last press",
                [
                    Fact("Pressed (UTC)", show.when(press.pressed_at)),
                    Fact("By", press.actor_label),
                    Fact("Reason", press.reason),
                    Fact("Press to last effect", slowest, "By the database's clock"),
                    Fact("In effect on", f"{reach.in_effect} of {len(reach.shards)} shards"),
                ],
                wide=True,
            )
            yield _shards(reach.shards)
        yield _acts(switch, acts)


def kill_tile() -> dict[str, Any]:
    """For the first page and that of the system: what is stopped, or half released, and where to look."""
    closed = list(KillSwitch.objects.exclude(stage=KillStage.OPEN).order_by("-changed_at", "-id")[:_ACTS])
    tile = {"label": "Stopped by kill switch", "url": reverse("admin:risk_killswitch_changelist")}
    if not KillSwitch.objects.filter(scope=KillScope.GLOBAL).exists():
        note = "The global switch is missing: see docs/runbook.md"
        return tile | {"value": "Everything", "note": note, "tone": "bad"}
    if not closed:
        return tile | {"value": 0, "note": "Nothing is stopped", "tone": ""}
    # What stops most comes first.
    first = min(closed, key=lambda switch: switch.scope != KillScope.GLOBAL)
    others = f"; {len(closed) - 1} more" if len(closed) > 1 else ""
    note = capfirst(f"{first}: {_TAKEN[KillStage(first.stage)]}{others}")
    return tile | {"value": len(closed), "note": note, "tone": "bad"}


def kill_badges(instrument_id: int) -> list[SafeString]:
    """For the page of a market: the switches that stand against all orders in it."""
    concerned = Q(scope=KillScope.GLOBAL) | Q(scope=KillScope.INSTRUMENT, key=instrument_id)
    closed = KillSwitch.objects.filter(concerned).exclude(stage=KillStage.OPEN).order_by("scope")
    return [kill_badge(KillStage(switch.stage)) for switch in closed]


def kill_badge(stage: KillStage) -> SafeString:
    """What a switch that is not open still takes."""
    return show.badge(f"Kill switch: {_TAKEN[stage]}", _TONE[stage])


def _shards(shards: Sequence[OnShard]) -> Table:
    """Where it took effect."""
    headings = columns(
        "Shard", "Status", "#Position", "In effect (UTC)", "#ms", "#Orders cancelled", "#Refused behind it"
    )
    rows = [
        [
            show.ref_to(Shard, shard.shard_id, f"Shard {shard.shard_id}"),
            ShardStatus(shard.status).label,
            show.badge("Waits", Tone.WARN) if shard.position is None else show.whole(shard.position),
            show.when(shard.in_effect_at),
            show.NOTHING if shard.milliseconds is None else f"{shard.milliseconds:,.0f}",
            show.whole(shard.cancelled),
            show.whole(shard.refused),
        ]
        for shard in shards
    ]
    note = "From this position of the shard's journal on nothing of the scope trades, until its release."
    return Table("Where it took effect", headings, rows, empty="No book of the scope exists yet.", note=note)


def _acts(switch: KillSwitch, acts: Sequence[KillAct]) -> Table:
    """Presses and steps of releases, of which one asked, with the reason, and another agreed last."""
    asked = ApprovalRequest.objects.in_bulk([act.approval_id for act in acts if act.approval_id])
    rows = [
        [
            show.when(act.at),
            KillStage(act.stage).label,
            asked[act.approval_id].maker_label if act.approval_id in asked else act.actor_label,
            act.reason,
            act.actor_label if act.approval_id else show.NOTHING,
            show.ref_to(ApprovalRequest, act.approval_id, f"Approval {act.approval_id}"),
        ]
        for act in acts
    ]
    more = (show.list_of(AuditRecord, target=f"risk.killswitch:{switch.pk}"), "Audit records")
    headings = columns("At (UTC)", "To", "By", "Reason", "Agreed by", "Approval")
    return Table("Presses and releases", headings, rows, empty="It was never pressed.", more=more)


def _who_agrees() -> str:
    return asking.who_agrees(kill_switch.RELEASE, now=timezone.now())


def _stage_of(target: Target) -> KillStage:
    found = KillSwitch.objects.filter(scope=target.scope, key=target.key).first()
    return KillStage(found.stage) if found else KillStage.OPEN
