"""Small pieces of HTML that lists and panels share: numbers, moments, badges, links, bars."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

NOTHING = "\N{EN DASH}"


class Tone(StrEnum):
    """What a badge says by its colour."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    INFO = "info"
    QUIET = "quiet"


def when(at: datetime | None) -> SafeString | str:
    """A moment in UTC to the second; microseconds on hover."""
    return NOTHING if at is None else _time(at, "%Y-%m-%d %H:%M:%S")


def time_over_day(at: datetime, *more: str) -> SafeString:
    """The same in two lines for a narrow column: the time, below it the day and what else is to be said."""
    return lines(_time(at, "%H:%M:%S"), ", ".join([f"{at.astimezone(UTC):%Y-%m-%d}", *more]))


def _time(at: datetime, form: str) -> SafeString:
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC" class="bo-nowrap">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S.%f}",
        f"{utc:{form}}",
    )


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in the one or two largest units."""
    if since is None:
        return NOTHING
    seconds = max(0, int((now - since).total_seconds()))
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def short(text: str) -> str:
    """What fits into a line of a list; that it goes on is said."""
    return Truncator(text).chars(80)


def number(text: object, *, unit: str = "", muted: bool = False) -> SafeString:
    """A number as already formatted, in figures of equal width, with its unit behind it."""
    return format_html(
        '<span class="bo-num{}">{}{}</span>',
        " bo-muted" if muted else "",
        text,
        format_html(' <span class="bo-unit">{}</span>', unit) if unit else "",
    )


def whole(value: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def decimal(value: Decimal, unit: str = "") -> SafeString:
    """A number without trailing zeros, with thin spaces between the thousands of its whole part."""
    digits, point, rest = f"{value:f}".partition(".")
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    rest = rest.rstrip("0")
    return number(f"{sign}{whole(int(digits))}{point if rest else ''}{rest}", unit=unit)


def percent(rate: Decimal) -> str:
    """A ratio as a percentage without trailing zeros: 0.001 is 0.1 %."""
    text = f"{rate * 100:f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def badge(text: object, tone: Tone = Tone.QUIET, *, title: str = "") -> SafeString:
    """A status, coloured by what it means to an operator."""
    return format_html('<span class="bo-badge bo-{}" title="{}">{}</span>', tone, title, text)


def mono(text: object) -> SafeString | str:
    """An identifier, in figures and letters of equal width."""
    return format_html('<span class="bo-mono">{}</span>', text) if text not in {"", None} else NOTHING


def dotted(name: str) -> SafeString:
    """A name of parts, such as accounts.money.deposit: a narrow column breaks it after a dot."""
    parts = format_html_join(SafeString(".<wbr>"), "{}", ((part,) for part in name.split(".")))
    return format_html('<span class="bo-dotted">{}</span>', parts)


def link(url: str, text: object) -> SafeString:
    """A link inside our own pages."""
    return format_html('<a class="bo-link" href="{}">{}</a>', url, text)


def page_of(model: type[Model] | Model, pk: Any) -> str:
    """The address of a row's page."""
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(str(pk))])


def list_of(model: type[Model], **filters: object) -> str:
    """The address of a model's list, filtered."""
    meta = model._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return f"{url}?{urlencode(filters)}" if filters else url


def ref(row: Model | None, text: object = None) -> SafeString | str:
    """A link to a row's page, named by the row itself unless told otherwise."""
    if row is None:
        return NOTHING
    return link(page_of(row, row.pk), row if text is None else text)


def ref_to(model: type[Model], pk: object, text: object = None) -> SafeString | str:
    """A link to the page of the row with this key, without reading it."""
    if not pk:
        return NOTHING
    return link(page_of(model, pk), pk if text is None else text)


def bar(*parts: tuple[Decimal, str], title: str = "") -> SafeString:
    """A bar of parts that share its length in proportion: (amount, tone)."""
    total = sum((amount for amount, _tone in parts), Decimal(0))
    segments = format_html_join(
        "",
        '<i class="bo-{}" style="width:{}%"></i>',
        ((tone, f"{amount / total * 100:.2f}") for amount, tone in parts if total and amount > 0),
    )
    return format_html('<span class="bo-bar" title="{}">{}</span>', title, segments)


def lines(*texts: object) -> SafeString:
    """Two or more lines in one cell: the first is the fact, the rest explain it."""
    first, *rest = texts
    below = format_html_join("", '<span class="bo-sub">{}</span>', ((text,) for text in rest if text))
    return format_html('<span class="bo-lines"><span>{}</span>{}</span>', first, below)


def together(pieces: Iterable[object]) -> SafeString:
    """Pieces side by side."""
    return format_html_join(" ", "{}", ((piece,) for piece in pieces))
