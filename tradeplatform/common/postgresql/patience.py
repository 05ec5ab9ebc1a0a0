"""Connections to PostgreSQL that do not wait for ever.

libpq waits for an answer without end: what the kernel notices, by keepalives and time-outs of TCP, is a host
that is gone, and not a server that is frozen or a proxy that forwards nothing any more. Here whoever has
waited for a while asks, on a connection of its own, whether anybody is there; a slow statement may go on for
as long as that is so.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from traceback import clear_frames
from typing import Any, ClassVar, Self, TypeVar

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus

RV = TypeVar("RV")

#: Seconds without an answer until it is asked whether anybody is there, and again after as many.
ASK_AFTER = 2.0
#: Seconds that such a question may take: a busy machine is slow to begin an answer. Five with the one above.
ANSWER_WITHIN = 2.75
#: The shortest question there is: "would you speak TLS?". Any server says one letter, poolers too.
_WOULD_YOU = (8).to_bytes(4) + (80877103).to_bytes(4)

_clock = time.monotonic


class PatientConnection(psycopg.Connection[Any]):
    """Gives up where the other end does not live, or where an answer takes longer than one may."""

    #: The servers, as host and port, that this process last asked in vain.
    out_of_reach: ClassVar[set[tuple[str, str]]] = set()
    #: When it was found that nobody answers there, of those that took no connection since.
    silent_since: ClassVar[dict[tuple[str, str], float]] = {}

    server: tuple[str, str] = ("", "")
    #: Seconds that any answer may take, of a server that ends statements by itself before that.
    answer_within: float | None = None
    #: What is set anew with each transaction, for its length: where a session is somebody else's in the next.
    in_each_transaction: Mapping[str, str | int] = {}

    @classmethod
    def connect(  # type: ignore[override]
        cls,
        conninfo: str = "",
        *,
        answer_within: float | None = None,
        in_each_transaction: Mapping[str, str | int] | None = None,
        **how: Any,
    ) -> Self:
        """As it does, and remember whether the server could be reached."""
        server = (str(how.get("host", "")), str(how.get("port", "")))
        try:
            found = super().connect(conninfo, **how)
        except psycopg.OperationalError as error:
            cls.out_of_reach.add(server)
            # What failed lives on in a circle with its traceback, and its socket with it.
            clear_frames(error.__traceback__)
            raise
        cls.out_of_reach.discard(server)
        cls.silent_since.pop(server, None)
        found.server = server
        found.answer_within = answer_within
        found.in_each_transaction = in_each_transaction or {}
        return found

    def _start_query(self) -> PQGen[None]:
        """As it does; with the BEGIN goes what is set for the transaction, in the same round trip."""
        begins = not self._autocommit and self.pgconn.transaction_status == TransactionStatus.IDLE
        if not (begins and self.in_each_transaction):
            yield from super()._start_query()
            return
        sets = [f"SET LOCAL {name} = '{value}'" for name, value in self.in_each_transaction.items()]
        if self._pipeline is not None:
            # A pipeline takes one command at a time, and sends them together itself.
            yield from super()._start_query()
            for command in sets:
                yield from self._exec_command(command.encode())
            return
        self.pgconn.send_query("; ".join([self._get_tx_start_command().decode(), *sets]).encode())
        for result in (yield from generators.execute(self.pgconn)):
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result, encoding=self.info.encoding)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As it does; raises OperationalError, and the connection is closed, where no answer will come."""
        return super().wait(self._watched(gen), interval, timeout)

    def _watched(self, gen: PQGen[RV]) -> PQGen[RV]:
        """The same steps; `ready` is 0 whenever an interval has passed in which nothing came."""
        began, ask_at = _clock(), 0.0
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    ask_at = 0.0
                else:
                    now = _clock()
                    ask_at = ask_at or now + ASK_AFTER
                    if now >= ask_at:
                        self._insist(now - began)
                        ask_at = _clock() + ASK_AFTER
                wanted = gen.send(ready)
        except StopIteration as end:
            found: RV = end.value
            return found

    def _insist(self, waited: float) -> None:
        limit = self.answer_within
        late = limit is not None and waited > limit
        if late or not self.is_somebody_there():
            if not late:
                self.out_of_reach.add(self.server)
                self.silent_since[self.server] = _clock()
            self.pgconn.finish()
            why = "it took too long" if late else "nobody answers there"
            raise psycopg.OperationalError(f"no answer for {waited:.1f} s: {why}")

    def is_somebody_there(self) -> bool:
        """Whether the server, or what stands before it, takes a connection and says a word."""
        info = self.pgconn
        host, port = (info.hostaddr or info.host).decode(), info.port.decode()
        if host.startswith(("/", "@")) or not host:
            # A socket of this machine: the kernel tells of its other end.
            return True
        try:
            with socket.create_connection((host, int(port)), timeout=ANSWER_WITHIN) as question:
                question.sendall(_WOULD_YOU)
                return bool(question.recv(1))
        except OSError:
            return False

    @property
    def is_left(self) -> bool:
        """Whether the other end of this idle connection has hung up; asks nobody but the kernel."""
        if self.closed:
            return True
        poll = select.poll()
        # An idle server says nothing, but when it goes.
        with suppress(OSError):
            poll.register(self.pgconn.socket, select.POLLIN | select.POLLRDHUP)
            return bool(poll.poll(0))
        return True
