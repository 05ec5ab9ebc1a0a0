"""Gunicorn's threads with an end to their queue: cancels first, then everybody in turns.

By itself a worker queues whatever comes on a thousand connections, and answers in that order: one caller's
requests hold up everybody's, and the cancels among them. Here a connection waits for what it says first, then
in a queue of so many at most, in turns with those of other logins. Whose has no room is answered 503 at once,
by a thread that does nothing else, and nothing of it has begun. What takes orders off, and the kill switch,
comes before the rest, and has threads of its own besides. Plain orders, amends and cancels are answered in
lists, by one thread each (`express`).
"""

from __future__ import annotations

import fcntl
import re
import socket
import sys
import termios
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from multiprocessing.sharedctypes import RawArray
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING, Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker

from tradeplatform.common.arrivals import WAITED
from tradeplatform.common.overload import Full, queue_full, watch
from tradeplatform.common.turns import Turns
from tradeplatform.config import load_config

if TYPE_CHECKING:
    from tradeplatform.express.lane import Lane

#: Beside the threads that serve everything.
_CANCELLING_THREADS = 2
_PEEKED = 4_096
# A plain number: an operation with members of an enumeration makes another member, for each request.
_LOOK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
#: How long a thread may keep the interpreter while others wait for it. An order comes back to it from some
#: twenty answers of the database, its account locked meanwhile: Python's own five milliseconds add up.
_SWITCH_SECONDS = 0.0005
#: Seconds for a caller to take an answer that is longer than what the line holds.
_SLOWEST_READER = 30.0
#: Seconds for a caller to hang up after its last answer.
_SLOWEST_TO_HANG_UP = 2.0
#: Seconds that a process which has more connections than another leaves it to take in the next.
_FOR_OTHERS = 0.001
#: How many connections each process has; who is not there has too many. Made before they are forked.
_HELD = RawArray("l", [sys.maxsize] * 128)
#: What may be answered in lists begins so.
_IN_LISTS = re.compile(rb"(?:POST|PATCH|DELETE) /api/v1/orders")
#: Of a head that is longer than gunicorn reads.
_TOO_LONG = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}
_FIRST = re.compile(rb"DELETE |POST /api/v1/kill-switch[ /?]")
# Who asks, as far as that can be told without looking anything up; together with where from, so that nobody
# stands in another's queue by naming him.
_LOGIN = re.compile(rb"\r\n(?:authorization|x-api-key|x-mbx-apikey|cookie):[ \t]*([^\r]+)\r\n", re.IGNORECASE)
_FORWARDED = re.compile(rb"\r\nx-forwarded-for:[ \t]*([^\r]+)\r\n", re.IGNORECASE)

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Connection(TConn):  # type: ignore[misc]
    """`awaited`: it has waited for the rest of the request that it is about, and is queued since `queued`."""

    awaited = False
    queued = 0
    hang_up: Callable[[Connection], None]

    def close(self, graceful: bool = False) -> None:  # noqa: FBT001, FBT002 - as gunicorn calls it
        """Close it; gracefully: let the other end read its answer and hang up first."""
        if graceful:
            self.hang_up(self)
        else:
            super().close()


class FairWorker(ThreadWorker):  # type: ignore[misc]
    """See above. One for each process; all but the threads' work is done by its main thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        room = load_config().http_queue
        self._first: Turns[Connection] = Turns(room)
        self._rest: Turns[Connection] = Turns(room)
        self._lock = threading.Lock()
        self._serving = threading.local()
        self._lanes: Sequence[Lane[Any]] = ()
        self._place = self.age % len(_HELD)
        #: Whose answers are on their way; who is given up first stands first.
        self._sending: deque[Connection] = deque()
        #: On which nothing more is said, until the other end has hung up too.
        self._ending: deque[Connection] = deque()

    def init_process(self) -> None:
        """As it does; then serve."""
        self._cancelling = ThreadPoolExecutor(_CANCELLING_THREADS, thread_name_prefix="cancel")
        self._refuser = ThreadPoolExecutor(1, thread_name_prefix="refuse")
        sys.setswitchinterval(_SWITCH_SECONDS)
        watch("web", self._rest)
        watch("web-cancel", self._first)
        super().init_process()

    def load_wsgi(self) -> None:
        """The application, for those who are let in to it."""
        super().load_wsgi()
        self.wsgi: WSGI = partial(_answer, self.wsgi, self._serving)
        from tradeplatform.express.lanes import lanes  # noqa: PLC0415 - they need Django, which is loaded by now

        self._lanes = lanes(
            load_config().http_queue,
            serve=self._queue,
            refuse=self._refuse,
            done=self._done,
            closes=self._closes,
        )

    def accept(self, listener: socket.socket) -> None:
        """Take a connection in; until it says something it costs no thread."""
        if self._has_more_than_others():
            time.sleep(_FOR_OTHERS)
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, client, address, listener.getsockname())
        conn.hang_up = self._hang_up
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """As it does, once the others know how many it has."""
        _HELD[self._place] = self.nr_conns
        super().wait_for_and_dispatch_events(timeout)

    def _has_more_than_others(self) -> bool:
        fewest = min(count for place, count in enumerate(_HELD) if place != self._place)
        return bool(self.nr_conns > fewest)

    def enqueue_req(self, conn: Connection) -> None:
        """Queue a connection that has something to say; answer whoever has no room."""
        awaited, conn.awaited = conn.awaited, False
        conn.queued = time.monotonic_ns()
        if awaited:
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        head = _said(conn)
        if head == b"" and not _has_read(conn):
            # It has hung up: that takes no place of anybody's.
            self.nr_conns -= 1
            conn.close()
            return
        head = head or b""
        whose, (lane, length) = _whose(conn, head), self._lane_of(conn, head)
        if lane is None:
            self._queue(conn, whose, first=_FIRST.match(head) is not None)
        elif _arrived(conn) == length:
            gives_way = lane.put(conn, length, whose)
            if gives_way is not None:
                self._refuse(gives_way)
        elif awaited:
            self._queue(conn, whose)
        else:
            self._await_rest(conn, length)

    def _lane_of(self, conn: Connection, head: bytes) -> tuple[Lane[Any] | None, int]:
        """Where a request is answered in a list, and how long it is; nowhere if more has come than that."""
        if _IN_LISTS.match(head) and not _has_read(conn):
            for lane in self._lanes:
                length = lane.length_of(head)
                if length is not None:
                    return (lane, length) if _arrived(conn) <= length else (None, 0)
        return None, 0

    def _await_rest(self, conn: Connection, length: int) -> None:
        """Wait until all of a request has come: clients send a body behind its head, in a packet of its own.

        Meanwhile it costs no thread. It comes back here with less where the caller has hung up.
        """
        conn.awaited = True
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, length)
        conn.sock.settimeout(0)
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _queue(self, conn: Connection, whose: tuple[bytes, bytes], *, first: bool = False) -> None:
        queue = self._first if first else self._rest
        with self._lock:
            gives_way = queue.put(conn, whose)
        if gives_way is not None:
            self._refuse(gives_way)
            # The other's place in the queue of the threads is this one's.
            return
        self.tpool.submit(self._serve)
        if first:
            self._cancelling.submit(self._serve, first_alone=True)

    def _done(self, conn: Connection, *, keeps: bool, rest: bytes) -> None:
        """Finish with a connection in the main thread, once the rest of its answer is sent."""
        if rest:
            self.method_queue.defer(self._send_rest, conn, memoryview(rest), keeps)
        else:
            self.method_queue.defer(self._finish, conn, keeps)

    def _finish(self, conn: Connection, keeps: bool) -> None:  # noqa: FBT001 - the queue takes no names
        done: Future[bool] = Future()
        done.set_result(keeps)
        self.finish_request(conn, done)

    def _send_rest(self, conn: Connection, rest: memoryview, keeps: bool) -> None:  # noqa: FBT001 - as above
        """Send what is left of an answer as its reader takes it: no thread waits for him."""
        conn.sock.settimeout(0)
        conn.timeout = time.monotonic() + _SLOWEST_READER
        self._sending.append(conn)
        self.poller.register(conn.sock, EVENT_WRITE, partial(self._on_writable, conn, rest, keeps))

    def _on_writable(self, conn: Connection, rest: memoryview, keeps: bool, sock: socket.socket) -> None:  # noqa: FBT001 - as above
        try:
            rest = rest[sock.send(rest) :]
        except BlockingIOError:
            return
        except OSError:
            rest, keeps = rest[:0], False
        if rest:
            self.poller.modify(sock, EVENT_WRITE, partial(self._on_writable, conn, rest, keeps))
            return
        self.poller.unregister(sock)
        self._sending.remove(conn)
        self._finish(conn, keeps)

    def _hang_up(self, conn: Connection) -> None:
        """Say no more, and wait for the other end to hang up.

        By itself gunicorn's main thread waits for that, for two seconds with each, and serves nobody.
        """
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.settimeout(0)
        except OSError:
            conn.close()
            return
        self.nr_conns += 1
        conn.timeout = time.monotonic() + _SLOWEST_TO_HANG_UP
        self._ending.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self._on_ending, conn))

    def _on_ending(self, conn: Connection, sock: socket.socket) -> None:
        try:
            if sock.recv(_PEEKED):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._ending.remove(conn)
        self._drop(conn)

    def _drop(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """As it does; then end those who neither read what they asked for nor hang up."""
        super().murder_pending()
        for waiting in (self._sending, self._ending):
            while waiting and waiting[0].timeout <= time.monotonic():
                self._drop(waiting.popleft())

    def _closes(self) -> bool:
        """Whether a connection is closed once it is answered, as `handle_request` decides."""
        return not self.alive or not self.cfg.keepalive or len(self.keepalived_conns) >= self.max_keepalived

    def _serve(self, *, first_alone: bool = False) -> None:
        with self._lock:
            conn = self._first.take()
            if conn is None and not first_alone:
                conn = self._rest.take()
        if conn is not None:
            self._do(partial(self.handle, conn), conn)

    def _do(self, work: Callable[[], Any], conn: Connection) -> None:
        done: Future[Any] = Future()
        self._serving.waited = time.monotonic_ns() - conn.queued
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - the main thread closes the connection
            done.set_exception(error)
        self.method_queue.defer(self.finish_request, conn, done)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """As it does; what cannot be read is refused in the words of the API."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        from tradeplatform.fallbacks import unreadable  # noqa: PLC0415 - it needs Django, loaded by now

        self.log.warning("Invalid request from ip=%s: %s", addr[0], exc)
        response = unreadable(_TOO_LONG.get(type(exc), HTTPStatus.BAD_REQUEST))
        head = [f"HTTP/1.1 {response.status_code} {response.reason_phrase}", "Connection: close"]
        head += [f"{name}: {value}" for name, value in response.items()]
        with suppress(OSError):
            write_nonblock(client, "\r\n".join([*head, "", ""]).encode("latin-1") + response.content)

    def _refuse(self, conn: Connection) -> None:
        self._refuser.submit(self._do, partial(self._say_no, conn), conn)

    def _say_no(self, conn: Connection) -> Any:
        self._serving.refuses = True
        try:
            return self.handle(conn)
        finally:
            self._serving.refuses = False


def _arrived(conn: Connection) -> int:
    """How many bytes it has to say."""
    count = array("i", [0])
    fcntl.ioctl(conn.sock, termios.FIONREAD, count)
    return count[0]


def _said(conn: Connection) -> bytes | None:
    """The beginning of a request, which stays to be read; empty at the end, None where nothing has come."""
    try:
        found: bytes = conn.sock.recv(_PEEKED, _LOOK)
    except OSError:
        return None
    return found


def _has_read(conn: Connection) -> bool:
    """Whether more than one request was read from it already."""
    return conn.parser is not None and bool(conn.parser.unreader.buf.getvalue())


def _whose(conn: Connection, head: bytes) -> tuple[bytes, bytes]:
    """A login at an address; whoever has none shares his address's turn."""
    login, address = _LOGIN.search(head), str(conn.client[0]).encode()
    if load_config().behind_tls_proxy and (forwarded := _FORWARDED.search(head)):
        address = forwarded[1].rpartition(b",")[2].strip()
    return (login[1] if login else b""), address


def _answer(
    application: WSGI,
    serving: threading.local,
    environ: dict[str, Any],
    start_response: Callable[..., Any],
) -> Iterable[bytes]:
    """The application's answer, or in the thread that refuses a refusal."""
    if not getattr(serving, "refuses", False):
        environ[WAITED] = serving.waited
        return application(environ, start_response)
    from tradeplatform.fallbacks import no_room  # noqa: PLC0415 - it needs Django, which is loaded by now

    response = no_room(environ["PATH_INFO"], queue_full(Full.HTTP))
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [response.content]
