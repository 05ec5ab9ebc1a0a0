"""What the commands about positions share: names on the command line to rows, and positions as text."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.core.management.base import CommandError

from accounts.models import TradingAccount
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.times import parse_rfc3339


def moment(text: str) -> datetime:
    """An argument that is a moment."""
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r}: {error}") from error


def positive(text: str) -> int:
    """An argument that counts something."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ArgumentTypeError("a whole number from 1")
    return int(text)


def find_account(number: str) -> TradingAccount:
    """The trading account of this number. Raises account_not_found."""
    account = TradingAccount.objects.filter(account_number=number).first()
    if account is None:
        raise Refusal(Code.ACCOUNT_NOT_FOUND, f"No account has the number {number}.", account=number)
    return account


@contextmanager
def refusals_named() -> Iterator[None]:
    """A refusal ends the command with its sentence and its code."""
    try:
        yield
    except Refusal as refusal:
        rows = "".join(
            f"\n  line {row['line']}: {row['message']} ({row['code']})"
            for row in refusal.context.get("rows", ())
        )
        raise CommandError(f"{refusal.message} ({refusal.code}){rows}") from refusal
