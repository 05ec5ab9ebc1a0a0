"""The state hash as plain Python, from its description: whoever stores hashes can check them without Rust.

The hash is a contract: it is stored with each book and compared after every restart.
"""

from __future__ import annotations

from math import isqrt

from tradeengine.codec import NO_TERMS, OpenOrder, Place, TermsFlag

WORD = 2**64

# The first 64 fractional bits of the square roots of the first fourteen primes.
KEYS = [isqrt(prime << 128) % WORD for prime in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43)]


def digest(words: list[int]) -> int:
    """128 bits from an even number of words: the sum of the products of neighbours, mixed once more."""
    total = 0
    for place in range(0, len(words), 2):
        first, second = (words[place + n] % WORD ^ KEYS[place + n] for n in (0, 1))
        total += first * second
    total %= WORD * WORD
    high, low = divmod(total, WORD)
    return total ^ (high ^ KEYS[12]) * (low ^ KEYS[13])


def packed(*numbers: int) -> int:
    """Small numbers, a byte each, the first lowest."""
    return sum(number << 8 * place for place, number in enumerate(numbers))


def order_digest(order: OpenOrder) -> int:
    shape = packed(order.side, order.post_only, order.stp, order.place, order.order_type, order.tif)
    words = [order.order_id, order.account, order.stp_group, order.price, order.leaves, order.executed]
    return digest([shape, *words, order.priority])


def terms_digest(order: OpenOrder) -> int:
    """Nothing for a resting order without terms. The slice counts where it is not all that is open."""
    terms = order.terms
    if order.place == Place.RESTING and terms == NO_TERMS:
        return 0
    has_display = bool(terms.flags & TermsFlag.HAS_DISPLAY)
    words = [
        packed(terms.trigger, terms.source, terms.link, has_display),
        order.order_id,
        terms.trigger_price,
        terms.distance,
        terms.step,
        terms.display,
        terms.min_quantity,
        terms.expires,
        terms.parent,
        terms.partner,
        order.shown if has_display else 0,
        order.priority,
    ]
    return digest(words)


def state_hash(orders: list[OpenOrder], *, seq: int, last_time: int, last_price: int, phase: int) -> str:
    """What `Engine.state_hash` returns for a book with these orders and numbers."""
    total = sum(order_digest(order) + terms_digest(order) for order in orders)
    high, low = divmod(total % (WORD * WORD), WORD)
    return f"{digest([high, low, seq, last_time, last_price, phase]):032x}"
