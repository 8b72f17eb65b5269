"""Texts of a report, of which a terminal obeys nothing."""


def clean(words: str) -> str:
    """Without control characters and what else a terminal might obey."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in words)
