"""What instruments are called here: the quote asset behind a slash, where the symbol ends with it."""

from __future__ import annotations

from collections.abc import Iterable

from instruments.selectors import Rules, rules_by_symbol


def pair_name(rules: Rules) -> str:
    """BTCUSD is BTC/USD; a symbol that does not end with its quote asset is called as it is."""
    base = rules.symbol.removesuffix(rules.quote_code)
    return f"{base}/{rules.quote_code}" if base not in {rules.symbol, ""} else rules.symbol


def rules_by_pair(names: Iterable[str]) -> dict[str, Rules]:
    """The rules in force now of the instruments called so; unknown names are simply absent."""
    wanted = set(names)
    found = rules_by_symbol(name.replace("/", "", 1) for name in wanted)
    return {name: rules for rules in found.values() if (name := pair_name(rules)) in wanted}
