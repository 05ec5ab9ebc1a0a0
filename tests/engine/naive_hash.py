"""The state hash as plain Python, from its description: whoever stores hashes can check them without Rust.

The hash is a contract: it is stored with each book and compared after every restart.
"""

from __future__ import annotations

from math import isqrt

from tradeengine.codec import RestingOrder

WORD = 2**64

# The first 64 fractional bits of the square roots of the first eight primes; four keys for each half.
KEYS = [isqrt(prime << 128) % WORD for prime in (2, 3, 5, 7, 11, 13, 17, 19)]


def fold(left: int, right: int) -> int:
    """Both halves of the 128-bit product, xored."""
    high, low = divmod(left * right, WORD)
    return high ^ low


def rotate(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) % WORD


def digest(words: list[int]) -> int:
    """128 bits from an even number of words, two by two."""
    halves = []
    for start, first, second, last in (KEYS[:4], KEYS[4:]):
        state = start
        for left, right in zip(words[::2], words[1::2], strict=True):
            state = fold(left % WORD ^ first, right % WORD ^ state) ^ rotate(state, 23)
        halves.append(fold(state ^ second, last))
    return halves[0] * WORD + halves[1]


def state_hash(orders: list[RestingOrder], *, seq: int, last_time: int, last_price: int, halted: bool) -> str:
    """What `Engine.state_hash` returns for a book with these orders and numbers."""
    total = sum(
        digest(
            [
                order.side | order.post_only << 8 | order.stp << 16,
                order.order_id,
                order.account,
                order.stp_group,
                order.price,
                order.leaves,
                order.executed,
                order.priority,
            ]
        )
        for order in orders
    ) % (WORD * WORD)
    high, low = divmod(total, WORD)
    return f"{digest([high, low, seq, last_time, last_price, halted]):032x}"
