"""Whether everything the shards have published was heard: their positions have no gaps."""

from __future__ import annotations

from collections.abc import Mapping


class ShardPositions:
    """The position of each shard up to which all was heard. Knows nothing until it is told where to begin."""

    def __init__(self) -> None:
        self._heard: dict[int, int] = {}
        self._behind: dict[int, int] = {}
        self._early: list[tuple[int, int, int]] | None = []

    def forget(self) -> None:
        """Nothing is known any more: the subscription was lost."""
        self._heard, self._behind, self._early = {}, {}, []

    def begin(self, stored: Mapping[int, int]) -> bool:
        """Begin at these positions, which were read while already subscribed; False as in `hear`."""
        early, self._early = self._early or [], None
        self._heard = dict(stored)
        heard = [self.hear(shard=shard, first=first, last=last) for shard, first, last in early]
        return all(heard)

    def hear(self, *, shard: int, first: int, last: int) -> bool:
        """Note a published batch; False when something before it was lost."""
        if self._early is not None:
            self._early.append((shard, first, last))
            return True
        heard = self._heard.get(shard)
        if heard is not None and last <= heard:
            return True
        self._heard[shard] = last
        return heard is None or first == heard + 1

    def audit(self, stored: Mapping[int, int]) -> bool:
        """Compare with the database; False when what was committed by the last audit is still not heard.

        This finds the loss of the newest batch, which no later one reveals.
        """
        if self._early is not None:
            return True
        lost = [shard for shard, position in self._behind.items() if self._heard.get(shard, 0) < position]
        for shard in lost:
            self._heard[shard] = max(self._heard.get(shard, 0), stored.get(shard, 0))
        self._behind = {
            shard: position
            for shard, position in stored.items()
            if self._heard.setdefault(shard, position) < position
        }
        return not lost
