"""`manage.py kill`: stop a scope now, with nothing but PostgreSQL, and say where and when it took effect."""

from __future__ import annotations

import getpass
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.table import Table

from audit.actor import Actor
from audit.services.reasons import require_reason
from orders.kill_selectors import Reach, act_json, not_open, reach_of, reaches_of, would_stop
from orders.services import kill_switch
from risk.models import KillAct, KillScope, KillStage
from risk.services.kill_switch import Target, find_target
from tradeplatform.common.console import output
from tradeplatform.common.errors import Refusal


class Command(BaseCommand):
    """A thin door to orders.services.kill_switch."""

    help = (
        "Stop everything, an instrument, an account, a group or an API key: new orders and amends are "
        "refused, open orders are cancelled (unless --keep-orders), cancels are taken. "
        "Needs the database and no other process. One person stops; `manage.py release` takes two."
    )

    # Nothing that could be in the way is asked for first.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command line."""
        scope = parser.add_mutually_exclusive_group(required=True)
        scope.add_argument("--global", dest="everything", action="store_true", help="stop everything")
        scope.add_argument("--instrument", metavar="SYMBOL")
        scope.add_argument("--account", metavar="NUMBER")
        scope.add_argument("--group", metavar="NAME")
        scope.add_argument("--api-key", metavar="KEY_ID")
        scope.add_argument("--list", dest="listed", action="store_true", help="say what is stopped")
        parser.add_argument("--reason", default="", help="recorded")
        parser.add_argument(
            "--keep-orders", action="store_true", help="refuse new orders and amends; what rests stays"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be stopped, stop nothing")
        parser.add_argument("--json", action="store_true")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Stop, see it through, and say what came of it; exit 1 where a shard has not come so far."""
        if options["listed"]:
            self._list(options)
            return
        try:
            target = target_of(options)
            require_reason(options["reason"])
            if options["dry_run"]:
                self._rehearse(target, options)
                return
            pressed = kill_switch.press(
                target=target,
                actor=shell(),
                now=timezone.now(),
                reason=options["reason"],
                keep_orders=options["keep_orders"],
            )
        except Refusal as refusal:
            raise CommandError(f"{refusal.message} ({refusal.code})") from refusal
        kill_switch.bring_into_effect(pressed.act, clock=timezone.now)
        reach = reach_of(pressed.act)
        if options["json"]:
            self.stdout.write(
                json.dumps(act_json(pressed.act, reach) | {"already": pressed.already}, indent=2)
            )
        else:
            output(options).print(_table(pressed.act, reach, already=pressed.already))
        if waiting := reach.waiting:
            raise CommandError(
                f"Not in effect on shards {waiting}: no order is taken, and the shard applies it first once "
                "it runs. See `manage.py kill --list` and the runbook."
            )

    def _rehearse(self, target: Target, options: dict[str, Any]) -> None:
        found = would_stop(target)
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": True, "scope": str(target), **found}))
            return
        table = Table("Scope", "Live orders", "Accounts", "Instruments", title="Would be stopped")
        numbers = (f"{found[name]:,}" for name in ("orders", "accounts", "instruments"))
        table.add_row(str(target), *numbers)
        output(options).print(table)

    def _list(self, options: dict[str, Any]) -> None:
        stopped = not_open()
        reaches = reaches_of(stopped)
        if options["json"]:
            found = [act_json(act, reaches[act.pk]) for act in stopped]
            self.stdout.write(json.dumps(found, indent=2))
            return
        table = Table(title="Kill switches")
        for heading in ("Switch", "Scope", "Stage", "Since", "By", "Reason", "In effect"):
            # Words go on in the next line; a number or a time does not.
            table.add_column(heading, overflow="fold", no_wrap=heading in {"Switch", "Since"})
        for act in stopped:
            reach = reaches[act.pk]
            table.add_row(
                str(act.switch_id),
                str(act.switch),
                act.switch.get_stage_display(),
                f"{act.at:%Y-%m-%d %H:%M:%S}",
                act.actor_label,
                act.reason,
                f"{reach.in_effect} of {len(reach.shards)} shards",
            )
        output(options).print(table if stopped else "Nothing is stopped.")


def shell() -> Actor:
    """Whoever holds the server's shell, by the name he has there."""
    return Actor.system(f"shell ({getpass.getuser()})")


def target_of(options: dict[str, Any]) -> Target:
    """The scope that the options name. Raises Refusal."""
    for scope in KillScope:
        if scope != KillScope.GLOBAL and (name := options[scope.value]):
            return find_target(scope, name)
    return find_target(KillScope.GLOBAL)


def _table(act: KillAct, reach: Reach, *, already: bool) -> Table:
    stopped = "no new orders" if act.stage == KillStage.NO_ORDERS else "stopped"
    title = f"{act.switch}: {stopped}" + (" already" if already else "")
    slowest = "" if reach.slowest_ms is None else f"; press to last effect {reach.slowest_ms:,.0f} ms"
    table = Table(
        "Shard", "Position", "In effect", "ms", "Cancelled", "Refused behind it", title=title + slowest
    )
    for shard in reach.shards:
        table.add_row(
            str(shard.shard_id),
            "waits" if shard.position is None else f"{shard.position:,}",
            "" if shard.in_effect_at is None else f"{shard.in_effect_at:%H:%M:%S.%f}",
            "" if shard.milliseconds is None else f"{shard.milliseconds:,.0f}",
            f"{shard.cancelled:,}",
            f"{shard.refused:,}",
        )
    return table
