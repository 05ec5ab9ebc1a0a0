"""A balance over time as a picture inside a page: steps, for a balance holds until the next transfer."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.statement_pages import PagedSection, Point
from accounts.statement_selectors import Period, Section, Statement
from instruments.scaling import short_text

_WIDTH, _HEIGHT, _PAD = 720, 120, 4
#: More steps than this are no more to see.
_MOST_STEPS = 500


def balance_chart(statement: Statement, section: Section) -> SafeString:
    """The section's balance from the first to the last moment of the period."""
    every = -(-len(section.lines) // _MOST_STEPS) or 1
    moved = [(line.at, line.balance_after) for line in section.lines[::every]]
    return steps_chart(statement.period, section, moved)


def steps_chart(period: Period, section: Section | PagedSection, moved: Sequence[Point]) -> SafeString:
    """A balance over the period by what it was after these moments."""
    length = (period.until - period.since).total_seconds()
    points = [(0.0, section.opening)]
    points += [((at - period.since).total_seconds() / length, balance) for at, balance in moved]
    points.append((1.0, section.closing))
    low, high = min(value for _, value in points), max(value for _, value in points)
    return format_html(
        '<svg class="bo-steps" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">'
        '<path d="{}" fill="none" stroke="currentColor" stroke-width="1.5"'
        ' vector-effect="non-scaling-stroke"/></svg>',
        _WIDTH,
        _HEIGHT,
        f"Balance in {section.asset}: from {short_text(section.opening)} to {short_text(section.closing)}, "
        f"between {short_text(low)} and {short_text(high)}",
        _steps(points, low, high),
    )


def _steps(points: Sequence[tuple[float, Decimal]], low: Decimal, high: Decimal) -> str:
    height, span = _HEIGHT - 2 * _PAD, high - low
    path = []
    for place, (share, value) in enumerate(points):
        x = f"{share * _WIDTH:.1f}"
        y = f"{_PAD + height * (1 - float((value - low) / span if span else 0)):.1f}"
        path.append(f"M{x} {y}" if place == 0 else f"H{x}V{y}")
    return "".join(path)
