"""What goes to the kernel at once: nothing ahead of what the transport has, and no more than the limit."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from orders.feed.flow import _UNSENT_BYTES, _AtOnce, _limit_kernel_buffer

FRAME = bytes(1_000)


@dataclass
class Transport:
    """What is looked at of Twisted's."""

    handle: socket.socket
    dataBuffer: bytes = b""  # noqa: N815 - Twisted's word
    _tempDataLen: int = 0  # noqa: N815 - as above
    disconnecting: bool = False

    def getHandle(self) -> socket.socket:  # noqa: N802 - as above
        """The socket."""
        return self.handle


@pytest.fixture
def line() -> Iterator[tuple[Transport, socket.socket]]:
    """A transport whose kernel would take megabytes, limited as the feed's are, and who should read it."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        reader.connect(server.getsockname())
        ours, _address = server.accept()
        with ours:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_000_000)
            _limit_kernel_buffer(ours)
            yield Transport(ours), reader


def at_once(transport: Transport) -> _AtOnce:
    return _AtOnce(cast("Any", transport))


def test_the_kernel_takes_no_more_than_its_limit(line: tuple[Transport, socket.socket]) -> None:
    transport, _reader = line
    way = at_once(transport)

    taken = sum(way.send(FRAME) for _ in range(4_000))

    assert 0 < taken < 2 * _UNSENT_BYTES
    assert way.send(FRAME) == 0


@pytest.mark.parametrize(
    "first",
    [{"dataBuffer": b"x"}, {"_tempDataLen": 1}, {"disconnecting": True}],
    ids=lambda one: next(iter(one)),
)
def test_nothing_goes_ahead_of_what_the_transport_has(
    line: tuple[Transport, socket.socket], first: dict[str, Any]
) -> None:
    transport, _reader = line
    way = at_once(transport)
    assert way.send(FRAME) == len(FRAME)
    vars(transport).update(first)

    assert way.send(FRAME) == 0


def test_a_lost_line_is_for_the_transport_to_find(line: tuple[Transport, socket.socket]) -> None:
    transport, _reader = line
    way = at_once(transport)
    transport.handle.close()

    assert way.send(FRAME) == 0
