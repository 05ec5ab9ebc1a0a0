"""How often something may happen: counted in Valkey for all processes, several counters in one atomic step.

A counter belongs to a window of the clock and ends with it. A call is counted by all its counters or, when
one of them is full, by none. Who goes on asking after a refusal is shut out: for two minutes, then for twice
as long each time, up to three days.

When Valkey does not answer, each process counts for itself: nobody is stopped by a lost counter, and nobody
is without one.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import structlog
from redis.commands.core import Script
from redis.exceptions import NoScriptError, RedisError

from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.metrics import counter
from tradeplatform.common.together import Together
from tradeplatform.common.valkey import client

#: So many refusals in a minute are an accident; the next one is contempt.
PATIENCE = 60
_FIRST_BAN = 120
_LONGEST_BAN = 3 * 24 * 60 * 60
# Longer than that without a ban, and the next one is a first one again.
_BANS_REMEMBERED = 4 * 24 * 60 * 60
_MOST_COUNTED_HERE = 100_000

_log = structlog.get_logger(__name__)

_REJECTS = counter(
    "limiter_rejects", "Calls refused by a rate limit, by the kind of the limit.", ("limit", "answer")
)

# KEYS: ban, refusals, bans so far; then a counter each. ARGV: 0, 1 where bans are looked at and refusals are
# counted, 2 where bans are looked at alone; patience, first and longest ban, how long bans are remembered;
# then for each counter: cost, most, seconds.
# Answers {0, counts...}, {1, place of the full counter} or {2, seconds the ban has left}.
_TAKE = """
if ARGV[1] ~= '0' then
  local left = redis.call('TTL', KEYS[1])
  if left > 0 then return {2, left} end
end
for i = 4, #KEYS do
  local a = 6 + (i - 4) * 3
  local used = tonumber(redis.call('GET', KEYS[i]) or '0')
  if used + tonumber(ARGV[a]) > tonumber(ARGV[a + 1]) then
    if ARGV[1] == '1' and i == 4 then
      local refusals = redis.call('INCR', KEYS[2])
      if refusals == 1 then redis.call('EXPIRE', KEYS[2], 60) end
      if refusals > tonumber(ARGV[2]) then
        local before = redis.call('INCR', KEYS[3]) - 1
        redis.call('EXPIRE', KEYS[3], ARGV[5])
        local seconds = math.min(tonumber(ARGV[3]) * 2 ^ math.min(before, 30), tonumber(ARGV[4]))
        redis.call('SET', KEYS[1], '1', 'EX', string.format('%d', seconds))
        redis.call('DEL', KEYS[2])
        return {2, seconds}
      end
    end
    return {1, i - 4}
  end
end
local answer = {0}
for i = 4, #KEYS do
  local a = 6 + (i - 4) * 3
  answer[#answer + 1] = redis.call('INCRBY', KEYS[i], ARGV[a])
  redis.call('EXPIRE', KEYS[i], ARGV[a + 2], 'NX')
end
return answer
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in each window of `seconds`; this call counts for `cost`. `name` says whose it is."""

    name: str
    most: int
    seconds: int
    cost: int = 1

    @property
    def kind(self) -> str:
        """The first word of its name: what is counted, without whose it is."""
        return self.name.partition(":")[0]

    def key(self, now: float) -> str:
        """Of the counter of the window that `now` falls in."""
        return f"limit:{self.name}:{self.seconds}:{int(now // self.seconds)}"

    def wait(self, now: float) -> int:
        """Whole seconds until the window has ended."""
        return self.seconds - int(now % self.seconds)


def take(limits: Sequence[Limit], *, now: float, offender: str = "") -> list[int]:
    """Count a call by all of its limits; what each has counted then, in the same order.

    `offender` names who is shut out for ignoring refusals by the first limit; without one nobody is. Raises
    Refusal: throttled, banned, both with `retry_after` in seconds.
    """
    if not limits:
        return []
    counted = _count(_call(limits, now, offender, int(bool(offender))))
    if counted is None:
        return _take_here(limits, now)
    kind, *answer = counted
    if kind == 0:
        return [int(count) for count in answer]
    if kind == 1:
        raise _refused(limits[int(answer[0])], now)
    _REJECTS.labels(limits[0].kind, "banned").inc()
    _log.warning("shut_out", who=offender, seconds=int(answer[0]))
    raise banned(int(answer[0]))


def has_taken(calls: Sequence[tuple[Sequence[Limit], str]], *, now: float) -> list[bool]:
    """Count several calls, each by its limits and its offender as `take` does; whether each was counted.

    One that was not is for `take`, which refuses it and counts the refusal. One offender's calls are counted
    as one call where there is room for all of them.
    """
    of: dict[str, list[int]] = {}
    for place, (_limits, offender) in enumerate(calls):
        of.setdefault(offender, []).append(place)
    sums = [
        (_sum(limits for place in places for limits in calls[place][0]), who) for who, places in of.items()
    ]
    answers = [False] * len(calls)
    for places, counted in zip(of.values(), _has_taken_each(sums, now), strict=True):
        each = [counted] * len(places)
        if not counted and len(places) > 1:
            each = _has_taken_each([calls[place] for place in places], now)
        for place, answer in zip(places, each, strict=True):
            answers[place] = answer
    return answers


def _sum(limits: Iterable[Limit]) -> list[Limit]:
    """The limits, each once, with the costs of all."""
    sums: dict[tuple[str, int], Limit] = {}
    for limit in limits:
        name = limit.name, limit.seconds
        cost = limit.cost + (sums[name].cost if name in sums else 0)
        sums[name] = Limit(limit.name, limit.most, limit.seconds, cost)
    return list(sums.values())


def _has_taken_each(calls: Sequence[tuple[Sequence[Limit], str]], now: float) -> list[bool]:
    each = _ask([_call(limits, now, offender, _LOOK if offender else 0) for limits, offender in calls])
    return [
        counted[0] == 0 if counted is not None else _has_taken_here(limits, now)
        for counted, (limits, _offender) in zip(each, calls, strict=True)
    ]


def shut_out(offenders: Collection[str]) -> set[str]:
    """Those of these who are shut out now, where that can be told."""
    asked = list(offenders)
    try:
        pipe = client().pipeline(transaction=False)
        for offender in asked:
            pipe.exists(f"ban:{offender}")
        return {offender for offender, is_out in zip(asked, pipe.execute(), strict=True) if is_out}
    except (RedisError, OSError) as error:
        _log.warning("bans_not_read", error=str(error))
        return set()


def give_back(limits: Sequence[Limit], *, now: float) -> None:
    """Take back what `take` counted: the thing did not happen, or no longer counts. May be lost."""
    try:
        pipe = client().pipeline(transaction=False)
        for one in limits:
            pipe.decrby(one.key(now), one.cost)
            pipe.expire(one.key(now), one.seconds, nx=True)
        pipe.execute()
    except (RedisError, OSError) as error:
        _log.warning("limits_not_given_back", error=str(error))


def throttled(limit: Limit, now: float) -> Refusal:
    """The refusal of a call that was one too many."""
    wait = limit.wait(now)
    sentence = f"Too many calls: at most {limit.most} in {limit.seconds} seconds. Wait {wait} seconds."
    return Refusal(Code.THROTTLED, sentence, limit=limit.most, seconds=limit.seconds, retry_after=wait)


def banned(seconds: int) -> Refusal:
    """The refusal of a caller who is shut out."""
    sentence = f"You went on calling after refusals: nothing is answered for {seconds} seconds."
    return Refusal(Code.BANNED, sentence, retry_after=seconds)


def _refused(limit: Limit, now: float) -> Refusal:
    _REJECTS.labels(limit.kind, "throttled").inc()
    return throttled(limit, now)


class _Call(NamedTuple):
    """What the script is called with."""

    keys: list[str]
    numbers: list[int]


# Bans are looked at, and refusals not counted.
_LOOK = 2


def _call(limits: Sequence[Limit], now: float, offender: str, bans: int) -> _Call:
    keys = [f"ban:{offender}", f"refusals:{offender}", f"bans:{offender}", *(one.key(now) for one in limits)]
    numbers = [bans, PATIENCE, _FIRST_BAN, _LONGEST_BAN, _BANS_REMEMBERED]
    counters = [number for one in limits for number in (one.cost, one.most, one.seconds)]
    return _Call(keys, [*numbers, *counters])


def _ask(calls: Sequence[_Call]) -> list[list[int] | None]:
    """The script's answer to each call, in one round trip; None for all when Valkey does not answer."""
    try:
        if len(calls) == 1:
            (call,) = calls
            return [_script()(keys=call.keys, args=call.numbers, client=client())]
        pipe = client().pipeline(transaction=False)
        for call in calls:
            pipe.evalsha(_script().sha, len(call.keys), *call.keys, *map(str, call.numbers))
        try:
            return list(pipe.execute())
        except NoScriptError:
            # It has forgotten the script: none of the calls was counted, and one of them teaches it again.
            return [answer for call in calls for answer in _ask([call])]
    except (RedisError, OSError) as error:
        _log.warning("limits_counted_here_only", error=str(error))
        return [None] * len(calls)


_count = Together(_ask)


@cache
def _script() -> Script:
    return client().register_script(_TAKE)


_here: dict[str, tuple[int, float]] = {}
_lock = threading.Lock()


def _take_here(limits: Sequence[Limit], now: float) -> list[int]:
    """Count as `take` does, in this process alone and without shutting anybody out. Raises throttled."""
    with _lock:
        if len(_here) > _MOST_COUNTED_HERE:
            for key in [key for key, (_count, end) in _here.items() if end <= now]:
                del _here[key]
        counts = [_here.get(one.key(now), (0, 0.0))[0] + one.cost for one in limits]
        full = next((one for one, count in zip(limits, counts, strict=True) if count > one.most), None)
        if full is not None:
            raise _refused(full, now)
        for one, count in zip(limits, counts, strict=True):
            _here[one.key(now)] = (count, now + one.seconds)
    return counts


def _has_taken_here(limits: Sequence[Limit], now: float) -> bool:
    try:
        _take_here(limits, now)
    except Refusal:
        return False
    return True
