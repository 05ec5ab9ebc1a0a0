"""Order books and matching in Rust: `Engine.apply` turns command records into event records.

The records and their codes are in `tradeengine.codec`. `event_rows` and `pack_rows` make rows of them, and of
anything else, in the form that PostgreSQL reads fastest.
"""

from tradeengine._rust import Engine, EngineError, event_rows, pack_rows

__all__ = ["Engine", "EngineError", "event_rows", "pack_rows"]
