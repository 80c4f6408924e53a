"""Small text guards used at the door and by the logs.

`clean` is the first thing done to any text from outside: a lone surrogate would break the
matcher, the segmenter and the INSERT, and with them the screening of a cry for help.
"""


def clean(text: str) -> str:
    """Return the text with lone surrogates replaced (U+FFFD) and NUL removed."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "")


def mask(secret: str) -> str:
    """Return a form of a secret that is safe to print: its length and its last two characters."""
    if len(secret) < 8:
        return "*" * len(secret)
    return f"{'*' * 6}{secret[-2:]} ({len(secret)})"
