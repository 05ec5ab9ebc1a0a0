"""What the sockets of this dialect have in common, apart from any socket."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from orders.feed.protocol import STOPPING, TOO_SLOW
from tradeplatform.gateways.binance.sockets import LIFE_OVER, SocketDialect, request_id


@pytest.mark.parametrize("number", [1, 0, -5, 2**63 - 1, "a-1_B", "x" * 36, None])
def test_an_id_is_a_number_or_a_short_word_or_nothing(number: Any) -> None:
    assert request_id({"id": number}) == number


@pytest.mark.parametrize("number", [2**63, 1.5, True, "", "x" * 37, "a b", [1], {}])
def test_no_other_id(number: Any) -> None:
    with pytest.raises(ValueError, match="id"):
        request_id({"id": number})


def test_only_a_planned_stop_is_announced() -> None:
    plain, wrapped = SocketDialect(), SocketDialect('{"event":%s}')
    assert orjson.loads(plain.closing(STOPPING) or "")["e"] == "serverShutdown"
    assert orjson.loads(wrapped.closing(STOPPING) or "")["event"].keys() == {"e", "E"}
    assert [plain.closing(why) for why in (TOO_SLOW, LIFE_OVER)] == [None, None]
