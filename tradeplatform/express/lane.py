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
from typing import Any, Generic, Protocol

import structlog
from django.db import DatabaseError, close_old_connections
from gunicorn.workers.gthread import TConn

from tradeplatform.common.asked import Answer, Asked, ListDoor, Ready, Tell, answer_of
from tradeplatform.common.overload import watch
from tradeplatform.common.together import LOCK_PATIENCE
from tradeplatform.common.turns import Turns
from tradeplatform.express.answering import encoded, note
from tradeplatform.express.reading import Plain, read_plain
from tradeplatform.system.requests import LIST_SIZE

#: Requests of a list, and the bytes after which it takes no more: about what a transaction has room for.
_MOST, _MOST_BYTES = 500, 200_000
# A plain number: an operation with members of an enumeration makes another member, for each request.
_WHAT_HAS_COME = int(socket.MSG_WAITALL | socket.MSG_DONTWAIT)

_log = structlog.get_logger(__name__)


Whose = tuple[bytes, bytes]


@dataclass(slots=True)
class _Coming:
    """A connection on which a whole request of `length` bytes has arrived, and whose turn it takes.

    `began` is a perf_counter, `began_at` a time_ns. `sent` is what was read of it.
    """

    conn: TConn
    length: int
    whose: Whose
    began: float
    began_at: int
    sent: bytes = b""
    asked: Asked | None = None


class Done(Protocol):
    """Takes a connection whose request was answered."""

    def __call__(self, conn: TConn, *, keeps: bool, rest: bytes) -> None:
        """`keeps`: it may say the next thing; `rest` of the answer is still to be sent."""


class Lane(Generic[Ready]):
    """See above: what is `plain`, asked at a `door`. `name` is that of its thread.

    `serve` takes back what is not for lists, `refuse` what there is no room for. All are called from any
    thread; `closes` says whether no connection is kept.
    """

    def __init__(
        self,
        name: str,
        plain: Plain,
        door: ListDoor[Ready],
        *,
        room: int,
        serve: Callable[[TConn, Whose], None],
        refuse: Callable[[TConn], None],
        done: Done,
        closes: Callable[[], bool],
    ) -> None:
        """Nobody has come; the thread starts with the first."""
        self._turns: Turns[_Coming] = Turns(room)
        self._serve, self._refuse, self._done, self._closes = serve, refuse, done, closes
        self._name, self._plain, self._door = name, plain, door
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        watch(f"web-{name}", self._turns)

    def length_of(self, said: bytes) -> int | None:
        """How long a request is that is for here, by the bytes it begins with; None of any other."""
        return self._plain.length_of(said)

    def put(self, conn: TConn, length: int, whose: Whose) -> TConn | None:
        """Queue a connection with a whole request; who gives way for it, as `Turns.put`."""
        coming = _Coming(conn, length, whose, time.perf_counter(), time.time_ns())
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            gives_way = self._turns.put(coming, whose)
            self._changed.notify()
        return None if gives_way is None else gives_way.conn

    def _run(self) -> None:
        while True:
            # Whatever happens to one list, the thread goes on: nobody would start another.
            for step in (self._answer_next, close_old_connections):
                try:
                    step()
                except Exception:  # noqa: BLE001 - who comes next is answered
                    _log.exception("list_failed")

    def _answer_next(self) -> None:
        self._answer(self._take())

    def _take(self) -> list[_Coming]:
        """Who has come, as soon as somebody has."""
        taken: list[_Coming] = []
        room = _MOST_BYTES
        with self._changed:
            while not self._turns:
                self._changed.wait()
            while len(taken) < _MOST and room > 0 and (coming := self._turns.take()) is not None:
                taken.append(coming)
                room -= coming.length
        return [coming for coming in taken if not self._is_late(coming)]

    def _is_late(self, coming: _Coming) -> bool:
        """Whether it has waited for so long, behind one that waits for a lock, that it is refused."""
        is_late = time.perf_counter() - coming.began > LOCK_PATIENCE
        if is_late:
            self._refuse(coming.conn)
        return is_late

    def _answer(self, taken: Sequence[_Coming]) -> None:
        plain = [coming for coming in taken if self._read(coming)]
        ready = self._prepared([coming.asked for coming in plain if coming.asked])
        by = {id(one): coming for coming, one in zip(plain, ready, strict=True) if one is not None}
        for coming, one in zip(plain, ready, strict=True):
            if one is None:
                self._give_back(coming)
        served = [one for one in ready if one is not None]
        if served:
            LIST_SIZE.observe(len(served))
            self._perform(served, lambda one, answer: self._tell(by.pop(id(one), None), one, answer))

    def _perform(self, served: Sequence[Ready], tell: Tell[Ready]) -> None:
        """Do it; whatever happens, each is told."""
        try:
            self._door.perform(served, tell)
        except Exception as error:  # noqa: BLE001 - what a view would answer
            for one in served:
                tell(one, answer_of(error))

    def _prepared(self, asked: Sequence[Asked]) -> list[Ready | None]:
        if not asked:
            return []
        try:
            return self._door.prepare(asked)
        except DatabaseError as error:
            # Nothing was done: the views do it, or say what is wrong.
            _log.warning("list_not_prepared", requests=len(asked), error=str(error).strip())
        except Exception:  # noqa: BLE001 - as above
            _log.exception("list_not_prepared", requests=len(asked))
        return [None] * len(asked)

    def _read(self, coming: _Coming) -> bool:
        """Read a request off its connection; whoever is not plain is given back."""
        try:
            coming.sent = coming.conn.sock.recv(coming.length, _WHAT_HAS_COME)
            if len(coming.sent) == coming.length:
                coming.asked = read_plain(_parsed(coming), coming.conn.client, waited=_waited(coming))
        except Exception:  # noqa: BLE001 - whoever serves it reads it again, and says what is wrong
            _log.debug("request_not_read", exc_info=True)
        if coming.asked is None:
            self._give_back(coming)
        return coming.asked is not None

    def _give_back(self, coming: _Coming) -> None:
        _unread(coming)
        self._serve(coming.conn, coming.whose)

    def _tell(self, coming: _Coming | None, one: Ready, answer: Answer) -> None:
        """Send an answer, unless he has had one."""
        if coming is None:
            return
        try:
            self._send(coming, one.asked, answer)
        except Exception:  # noqa: BLE001 - what was done is done, and others wait to be told
            _log.exception("answer_not_sent", request_id=one.asked.correlation_id)
            self._done(coming.conn, keeps=False, rest=b"")
            return
        try:
            note(one.asked, answer, one.user_id, began=coming.began, began_at=coming.began_at)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("request_not_noted", request_id=one.asked.correlation_id)

    def _send(self, coming: _Coming, asked: Asked, answer: Answer) -> None:
        conn = coming.conn
        close = self._closes() or bool(conn.parser.mesg.should_close())
        said = encoded(asked, answer, close=close)
        # Who does not read what it asked for holds up nobody else: the rest goes as the line takes it.
        try:
            sent = conn.sock.send(said, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent, close, said = 0, True, b""
        self._done(conn, keeps=not close, rest=said[sent:])


def _waited(coming: _Coming) -> int:
    """Nanoseconds since it came."""
    return int((time.perf_counter() - coming.began) * 1e9)


def _unread(coming: _Coming) -> None:
    """Let the connection's parser find the request as if nobody had read it."""
    conn = coming.conn
    conn.initialized, conn.parser = False, None
    conn.init()
    conn.parser.unreader.unread(coming.sent)


def _parsed(coming: _Coming) -> Any:
    """As gunicorn parses it. Raises what it raises."""
    _unread(coming)
    return next(coming.conn.parser)
