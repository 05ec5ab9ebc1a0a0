"""Requests as they are read, and what of them is signed, apart from any socket."""

from __future__ import annotations

from typing import Any

import pytest

from tradeplatform.gateways.binance.wsapi.requests import Unreadable, read

PARAMETER = "Mandatory parameter '%s' was not sent, was empty/null, or malformed."


def test_parameters_are_the_text_they_were_written_in() -> None:
    request = read(
        '{"id":7,"method":"m","params":{"a":0.10,"b":1e3,"c":"x","d":true,"e":["A","B"],"f":12345678901234567890}}'
    )
    assert (request.id, request.method) == (7, "m")
    assert request.params == {
        "a": "0.10",
        "b": "1e3",
        "c": "x",
        "d": "true",
        "e": '["A","B"]',
        "f": "12345678901234567890",
    }


@pytest.mark.parametrize("number", ["1", '"a-1"', "null", '""', '"a b"', "1.5", "true", "[]"])
def test_an_id_is_repeated_if_it_is_one(number: str) -> None:
    text = f'{{"id":{number},"method":"m"}}'
    if number in {"1", '"a-1"', "null"}:
        assert read(text).id == {"1": 1, '"a-1"': "a-1", "null": None}[number]
    else:
        with pytest.raises(Unreadable) as refused:
            read(text)
        assert (refused.value.error.code, refused.value.number) == (-1130, None)


@pytest.mark.parametrize(
    ("text", "code", "msg"),
    [
        ("", -1135, "Invalid JSON Request"),
        ("{", -1135, "Invalid JSON Request"),
        ("[]", -1135, "Invalid JSON Request"),
        ('{"id":1,"method":"m","params":{"a":NaN}}', -1135, "Invalid JSON Request"),
        ("[" * 5_000, -1135, "Invalid JSON Request"),
        ('{"id":1,"method":"m","params":{"a":"\\ud800"}}', -1135, "Invalid JSON Request"),
        ('{"id":1,"method":"m","params":{"a":["\\udfff"]}}', -1135, "Invalid JSON Request"),
        ('{"id":1,"method":"m","params":{"\\ud800":"a"}}', -1135, "Invalid JSON Request"),
        ('{"id":1,"id":2,"method":"m"}', -1101, "Duplicate values for a parameter detected."),
        ('{"id":1,"method":"m","params":{"a":1,"a":2}}', -1101, "Duplicate values for a parameter detected."),
        ('{"id":1}', -1102, PARAMETER % "method"),
        ('{"id":1,"method":5}', -1102, PARAMETER % "method"),
        ('{"id":1,"method":"m","params":[]}', -1102, PARAMETER % "params"),
        ('{"id":1,"method":"m","params":{"a":null}}', -1102, PARAMETER % "a"),
        ('{"id":1,"method":"m","params":{"a":{}}}', -1130, "Data sent for parameter 'a' is not valid."),
        ('{"id":1,"method":"m","more":1}', -1101, "Too many parameters sent for this endpoint."),
    ],
)
def test_what_is_no_request(text: str, code: int, msg: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(text)
    assert (refused.value.error.code, refused.value.error.msg) == (code, msg)


def payloads(params: str) -> list[bytes]:
    return [way.payload for way in read(f'{{"method":"m","params":{params}}}').signed()]


class TestPayload:
    def test_is_sorted_by_name_without_the_signature(self) -> None:
        assert payloads('{"b":2,"signature":"s","a":"x"}') == [b"a=x&b=2"]

    def test_may_be_percent_encoded_or_not(self) -> None:
        assert payloads('{"a":"x/y:z","signature":"s"}') == [b"a=x/y:z", b"a=x%2Fy%3Az"]

    def test_that_could_be_read_in_two_ways_must_be_encoded(self) -> None:
        assert payloads('{"a":"1&b=2","signature":"s"}') == [b"a=1%26b%3D2"]

    @pytest.mark.parametrize("params", ['{"a":1}', '{"a":1,"signature":""}'])
    def test_must_be_signed(self, params: Any) -> None:
        from tradeplatform.gateways.binance.errors import BinanceError  # noqa: PLC0415

        with pytest.raises(BinanceError) as refused:
            payloads(params)
        assert refused.value.code == -1102

    def test_names_the_request_whichever_way_it_was_signed(self) -> None:
        one = read('{"method":"m","params":{"a":"1","b":2,"signature":"s"}}')
        other = read('{"method":"m","params":{"b":2,"signature":"t","a":"1"}}')
        assert one.name == other.name
        assert one.name != read('{"method":"m","params":{"a":"2","b":2,"signature":"s"}}').name
