"""Python's collector of circles, told what it need not look through."""

from __future__ import annotations

import gc

_OBJECTS_BETWEEN = 50_000


def leave_out_what_is_loaded() -> None:
    """Call it once, when a process has loaded what it runs: all of that stays, and is looked through no more.

    A list of a thousand orders makes tens of thousands of objects, hardly any in circles; with Python's own
    threshold of 700 they were looked through again and again while they were needed. In a socket process each
    look also holds up every socket.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN, 20, 20)
