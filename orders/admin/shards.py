"""Shards: who works on which books, how far they are and how far behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from audit.admin.acting import actor_of
from orders.admin import show as trading
from orders.admin.books import books_table
from orders.admin.order_buttons import capped
from orders.models import Book, Command, Shard, ShardStatus
from orders.services import operator_acts
from orders.shard_selectors import CAP, Backlog, backlogs
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.admin.show import Tone

#: A command that has waited longer than this is a delay an operator should see.
LATE_SECONDS = 5


class StartShard(Button):
    """Let a stopped shard work again."""

    name, label, icon = "start", "Start shard", "play_arrow"
    permission = "orders.start_shard"

    def shown(self, obj: Shard) -> bool:
        """While it is stopped."""
        return obj.status == ShardStatus.STOPPED

    def why_not(self, obj: Shard) -> str:
        """It runs."""
        return "" if obj.status == ShardStatus.STOPPED else f"Shard {obj.pk} is running already."

    def intro(self, obj: Shard) -> str:
        """Why it stopped."""
        return f"It stopped because: {obj.stop_reason or 'no reason was stored'}"

    def effects(self, obj: Shard, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What happens next."""
        backlog = backlogs()[obj.pk]
        return [
            Effect("Status", trading.shard_status(obj), "Running"),
            Effect("Waiting commands", capped(backlog.waiting, CAP), "applied in order"),
            Effect("Its books", "not in memory", "rebuilt from open orders; a difference stops it again"),
        ]

    def act(self, obj: Shard, data: Mapping[str, Any]) -> Done:
        """Start it."""
        operator_acts.start_shard(
            shard_id=obj.pk, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"]
        )
        return Done(f"Shard {obj.pk} was started. Reload to see its position move.")


@admin.register(Shard)
class ShardAdmin(DetailMixin, BackOfficeList):
    """All shards; there are few."""

    question = "Is every shard working, and is any behind?"
    when_empty = "No shard exists yet. Run `manage.py seed`."
    ordering = ("id",)
    list_display = (
        "name",
        "state",
        "behind",
        "oldest",
        "place",
        "epoch_shown",
        "books_held",
        "drained",
        "owner_shown",
    )
    list_display_links = ("name",)
    buttons: ClassVar[list[type[Button]]] = [StartShard]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shard]:
        """With the number of books, of which there are few."""
        return Shard.objects.annotate(book_count=Count("books"))

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """With their backlogs, read at once."""
        found = backlogs()
        for shard in rows:
            shard.backlog = found.get(shard.pk, Backlog(0, None))

    @admin.display(description="Shard")
    def name(self, shard: Shard) -> str:
        """Its number."""
        return f"Shard {shard.pk}"

    @admin.display(description="Status")
    def state(self, shard: Shard) -> SafeString:
        """Whether it works."""
        return show.lines(trading.shard_status(shard), shard.stop_reason[:100])

    @admin.display(description="Waiting")
    def behind(self, shard: Any) -> SafeString:
        """How many commands wait."""
        return show.number(capped(shard.backlog.waiting, CAP))

    @admin.display(description="Oldest waits for")
    def oldest(self, shard: Any) -> SafeString:
        """How long the oldest has waited."""
        return lag(shard.backlog)

    @admin.display(description="Position")
    def place(self, shard: Shard) -> SafeString:
        """Commands applied."""
        return show.number(show.whole(shard.position))

    @admin.display(description="Epoch")
    def epoch_shown(self, shard: Shard) -> SafeString:
        """Changes of owner."""
        return show.number(shard.epoch)

    @admin.display(description="Books")
    def books_held(self, shard: Any) -> SafeString:
        """How many books."""
        return show.number(shard.book_count)

    @admin.display(description="Last drained (UTC)")
    def drained(self, shard: Shard) -> SafeString | str:
        """When it last applied something."""
        return show.when(shard.drained_at)

    @admin.display(description="Owner")
    def owner_shown(self, shard: Shard) -> SafeString | str:
        """The process that owns it."""
        return show.mono(shard.owner)

    def heading(self, shard: Shard) -> str:
        """Its number."""
        return f"Shard {shard.pk}"

    def badges(self, shard: Shard) -> Iterable[SafeString]:
        """Whether it works."""
        return [trading.shard_status(shard)]

    def warning(self, shard: Shard) -> str:
        """Why it stopped."""
        return (
            f"Stopped, nothing is applied: {shard.stop_reason}" if shard.status == ShardStatus.STOPPED else ""
        )

    def panels(self, request: HttpRequest, shard: Shard) -> Iterable[Panel]:
        """Where it stands, and its books."""
        backlog = backlogs().get(shard.pk, Backlog(0, None))
        yield Facts(
            "",
            [
                Fact("Waiting commands", show.link(
                    show.list_of(Command, shard=shard.pk, status="pending"), capped(backlog.waiting, CAP)
                )),
                Fact("Oldest waits for", lag(backlog)),
                Fact("Position", show.number(show.whole(shard.position)), "Commands applied so far"),
                Fact("Epoch", show.number(shard.epoch), "Rises with each change of owner"),
                Fact("Last drained (UTC)", show.when(shard.drained_at)),
                Fact("Taken over (UTC)", show.when(shard.taken_at)),
                Fact("Owner", show.mono(shard.owner)),
                Fact("Queue", show.mono(shard.queue)),
                Fact("Journal", show.link(show.list_of(Command, shard=shard.pk), "Its commands")),
            ],
            wide=True,
        )  # fmt: skip
        books = Book.objects.filter(shard=shard).select_related(
            "instrument__base", "instrument__quote", "shard"
        )
        yield books_table(books.order_by("instrument__symbol"))


def lag(backlog: Backlog) -> SafeString:
    """How long the oldest waiting command has waited; late ones stand out."""
    if backlog.oldest is None:
        return show.badge("Nothing waits", Tone.GOOD)
    now = timezone.now()
    late = (now - backlog.oldest).total_seconds() > LATE_SECONDS
    return show.badge(show.age(backlog.oldest, now), Tone.BAD if late else Tone.INFO)
