"""JSON at the edge: nothing passes through a float, nothing comes out with an exponent."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils.functional import lazystr

from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.json_codec import MAX_DEPTH, decode, encode


def test_a_number_with_a_fraction_is_read_exactly() -> None:
    value = decode(b'{"p": 0.1000000000000000055511151231257827, "q": -12.50, "n": 12}')
    assert value == {"p": Decimal("0.1000000000000000055511151231257827"), "q": Decimal("-12.50"), "n": 12}
    assert [type(item) for item in value.values()] == [Decimal, Decimal, int]


def test_nesting_is_allowed_to_the_limit_and_not_beyond() -> None:
    assert decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None
    with pytest.raises(Refusal) as refused:
        decode(b'{"a": ' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1))
    assert refused.value.code is Code.MALFORMED_JSON
    assert refused.value.context == {"limit": 32}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E+2"), b'"100"'),
        (Decimal("1E-8"), b'"0.00000001"'),
        (Decimal("100.50"), b'"100.50"'),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), b'"2026-01-02T03:04:05.000006Z"'),
        (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (lazystr("later"), b'"later"'),
        ({1: "x"}, b'{"1":"x"}'),
    ],
)
def test_what_we_send_is_plain(value: object, text: bytes) -> None:
    assert encode(value) == text


def test_what_has_no_plain_form_is_our_mistake() -> None:
    with pytest.raises(TypeError):
        encode(object())
