"""Order books and matching in Rust: `Engine.apply` turns command records into event records.

The records and their codes are in `tradeengine.codec`.
"""

from tradeengine._rust import Engine, EngineError

__all__ = ["Engine", "EngineError"]
