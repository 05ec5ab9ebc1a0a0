"""Names of the code as people read them."""

from __future__ import annotations

#: Abbreviations, which keep their capitals wherever they stand.
_ABBREVIATIONS = frozenset({"api", "ip", "json", "kyc"})


def in_words(name: str) -> str:
    """A name as the beginning of a sentence: `api_key_label_taken` is API key label taken."""
    words = [word.upper() if word in _ABBREVIATIONS else word for word in name.replace("_", " ").split()]
    sentence = " ".join(words)
    return sentence[:1].upper() + sentence[1:]
