"""A shard's worker without what keeps a second one from writing: the control of the run.

It takes no lock, and no epoch is compared. It dawdles between reading and writing for most of its time, so
that whoever freezes it catches it there. Its sessions still end for being idle: one that is caught with its
writes done and not committed would keep the other waiting, and is thawed only when the other has gone on.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from celery.__main__ import main
from celery.signals import worker_init

#: Longer than a client takes to send the next order once it has heard of the last.
DAWDLES_SECONDS = 0.6


@worker_init.connect
def _take_the_fence_down(**_: Any) -> None:
    from orders.models import Shard  # noqa: PLC0415 - the apps are not loaded when this module is
    from orders.services import drain, pending  # noqa: PLC0415

    def take(shard_id: int, owner: str, now: datetime, *, yielding: bool) -> Shard:
        shard = Shard.objects.get(id=shard_id)
        if yielding and drain.is_elsewhere(shard.owner, owner):
            raise drain.Elsewhere
        if shard.owner != owner:
            Shard.objects.filter(id=shard_id).update(owner=owner, epoch=shard.epoch + 1, taken_at=now)
            shard.refresh_from_db()
        return shard

    def move(shard: Shard, applied: int, now: datetime) -> None:
        Shard.objects.filter(id=shard.id).update(position=shard.position + applied, drained_at=now)

    read = pending.read_pending

    def dawdle(shard_id: int, most: int) -> Any:
        found = read(shard_id, most)
        time.sleep(DAWDLES_SECONDS)
        return found

    for name, replacement in (("_take", take), ("_move_shard", move), ("read_pending", dawdle)):
        setattr(drain, name, replacement)


if __name__ == "__main__":
    main()
