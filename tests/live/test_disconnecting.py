"""A server of sockets is killed: the running platform cancels the orders of those who asked for it."""

from __future__ import annotations

import signal

import psutil
import pytest
from websockets.sync.client import connect

from tests.feed.talk import Socket
from tests.live.desk import Desk
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.supervisor.processes import read_records

pytestmark = pytest.mark.live


def test_kill_9_of_the_sockets_cancels_on_disconnect(desk: Desk) -> None:
    guarded, free = desk.trader(), desk.trader()
    gone, kept = guarded.buy("1", "49000"), free.buy("1", "48000")
    with connect(desk.ws_url, close_timeout=1) as connection:
        socket = Socket(connection)
        token = guarded.http.headers["Authorization"].removeprefix("Bearer ")
        socket.ask("authenticated", op="auth", token=token)
        socket.ask("cancel_on_disconnect", op="cancel_on_disconnect", account=guarded.account, enabled=True)
        sockets = next(found for found in read_records(desk.var_dir) if found.name == "sockets")

        psutil.Process(sockets.pid).send_signal(signal.SIGKILL)
        wait_for(lambda: guarded.order(gone)[0] == "cancelled", "the orders to be cancelled", seconds=40)

    assert guarded.order(gone) == ("cancelled", "0", "0", "mass_cancel")
    assert free.order(kept)[0] == "open"
    # What is placed after the firing stays.
    assert guarded.order(guarded.buy("1", "49000"))[0] == "open"
    (timer,) = guarded.http.get(f"accounts/{guarded.account}/cancel-after").json()["results"]
    assert (timer["kind"], timer["due_at"], timer["fired_at"] is not None) == ("disconnect", None, True)
