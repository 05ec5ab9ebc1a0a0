"""The thread of a web process that answers lists of requests, and what it does with their connections.

A request comes here when all of it has arrived; what is not plain, or is to be refused, goes back unread to
those who serve everything. While one list is served the next gathers: who comes to an idle process is served
at once, alone.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import close_old_connections
from gunicorn.workers.gthread import TConn

from orders.api.placing import Placing, PlacingDoor
from tradeplatform.common.asked import Answer, Asked
from tradeplatform.common.metrics import histogram
from tradeplatform.common.overload import watch
from tradeplatform.common.together import LOCK_PATIENCE
from tradeplatform.common.turns import Turns
from tradeplatform.express.answering import encoded, note
from tradeplatform.express.reading import read_plain

#: Requests of a list; each has at most MOST_BYTES.
_MOST = 500
MOST_BYTES = 1 << 16

_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
LISTS = histogram("http_list_size", "Requests that a web process answered together.", _SIZES)

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Coming:
    """A connection with a whole request on it: its bytes, still to be read, and whose turn it takes."""

    conn: TConn
    sent: bytes
    whose: tuple[bytes, bytes]
    began: float
    began_at: int
    asked: Asked | None = None


class Lane:
    """See above. `serve` takes back what is not for lists, `refuse` what there is no room for.

    `done` takes a connection whose request was answered: whether it is kept, and what of the answer is still
    to be sent. All are called from any thread; `closes` says whether no connection is kept.
    """

    def __init__(
        self,
        room: int,
        *,
        serve: Callable[[Coming], None],
        refuse: Callable[[Coming], None],
        done: Callable[[TConn, bool, bytes], None],
        closes: Callable[[], bool],
    ) -> None:
        """Nobody has come; the thread starts with the first."""
        self._turns: Turns[Coming] = Turns(room)
        self._serve, self._refuse, self._done, self._closes = serve, refuse, done, closes
        self._door = PlacingDoor()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        watch("web-lists", self._turns)

    def put(self, coming: Coming) -> Coming | None:
        """Queue a connection; who gives way for it, as `Turns.put`."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lists", daemon=True)
                self._thread.start()
            gives_way = self._turns.put(coming, coming.whose)
            self._changed.notify()
        return gives_way

    def _run(self) -> None:
        while True:
            try:
                self._answer(self._take())
            except Exception:  # noqa: BLE001 - who comes next is answered
                _log.exception("list_failed")
            close_old_connections()

    def _take(self) -> list[Coming]:
        """Who has come, as soon as somebody has."""
        taken: list[Coming] = []
        with self._changed:
            while not self._turns:
                self._changed.wait()
            while len(taken) < _MOST and (coming := self._turns.take()) is not None:
                taken.append(coming)
        return [coming for coming in taken if not self._is_late(coming)]

    def _is_late(self, coming: Coming) -> bool:
        """Whether it has waited for so long, behind one that waits for a lock, that it is refused."""
        is_late = time.perf_counter() - coming.began > LOCK_PATIENCE
        if is_late:
            self._refuse(coming)
        return is_late

    def _answer(self, taken: Sequence[Coming]) -> None:
        plain = [coming for coming in taken if self._read(coming)]
        ready = self._prepared([coming.asked for coming in plain if coming.asked])
        by = {id(one): coming for coming, one in zip(plain, ready, strict=True) if one is not None}
        for coming, one in zip(plain, ready, strict=True):
            if one is None:
                self._give_back(coming)
        placing = [one for one in ready if one is not None]
        if placing:
            LISTS.observe(len(placing))
            self._door.perform(placing, lambda one, answer: self._tell(by[id(one)], one, answer))

    def _prepared(self, asked: Sequence[Asked]) -> list[Placing | None]:
        if not asked:
            return []
        try:
            return self._door.prepare(asked)
        except Exception:  # noqa: BLE001 - nothing was done: the views do it, or say what is wrong
            _log.exception("list_not_prepared", requests=len(asked))
            return [None] * len(asked)

    def _read(self, coming: Coming) -> bool:
        """Read a request off its connection; whoever is not plain is given back."""
        try:
            coming.conn.sock.recv(len(coming.sent), socket.MSG_WAITALL)
            coming.asked = read_plain(_parsed(coming), coming.conn.client)
        except Exception:  # noqa: BLE001 - whoever serves it reads it again, and says what is wrong
            _log.debug("request_not_read", exc_info=True)
        if coming.asked is None:
            self._give_back(coming)
        return coming.asked is not None

    def _give_back(self, coming: Coming) -> None:
        _unread(coming)
        self._serve(coming)

    def _tell(self, coming: Coming, one: Placing, answer: Answer) -> None:
        try:
            self._send(coming, one.asked, answer)
        except Exception:  # noqa: BLE001 - what was done is done, and others wait to be told
            _log.exception("answer_not_sent", request_id=one.asked.correlation_id)
            self._done(coming.conn, False, b"")
            return
        note(one.asked, answer, one.caller.actor.user_id, began=coming.began, began_at=coming.began_at)

    def _send(self, coming: Coming, asked: Asked, answer: Answer) -> None:
        conn = coming.conn
        close = self._closes() or bool(conn.parser.mesg.should_close())
        said = encoded(asked, answer, close=close)
        # Who does not read what it asked for holds up nobody else: the rest is another thread's.
        try:
            sent = conn.sock.send(said, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent, close, said = 0, True, b""
        self._done(conn, not close, said[sent:])


def _unread(coming: Coming) -> None:
    """Let the connection's parser find the request as if nobody had read it."""
    conn = coming.conn
    conn.initialized, conn.parser = False, None
    conn.init()
    conn.parser.unreader.unread(coming.sent)


def _parsed(coming: Coming) -> Any:
    """As gunicorn parses it. Raises what it raises."""
    _unread(coming)
    return next(coming.conn.parser)
