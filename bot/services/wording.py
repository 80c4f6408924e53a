"""Fixed words as replies: a phrase with its fields, its numbers open now, its source.

Called by handlers and jobs; the only place where a phrase becomes a `Reply`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from bot.core.hotlines import HotlineBook
from bot.core.messages import Reply
from bot.core.phrases import PhraseBook

HELP_KINDS = ("emergency", "psych")
_PLACE = re.compile(r"\{(\d[\d-]*)\}")


def numbers(phrases: PhraseBook, book: HotlineBook, moment: datetime, region: str = "") -> str:
    """Print the emergency and psychological lines that are open at a moment."""
    return phrases.numbers(book.open_lines(moment, HELP_KINDS, region), moment)


def constant_numbers(phrases: PhraseBook, book: HotlineBook, region: str = "") -> str:
    """Print the same lines with their hours at any moment, for the one line said in groups."""
    return phrases.numbers(book.dated_lines(HELP_KINDS, region))


def say(
    phrases: PhraseBook,
    book: HotlineBook,
    key: str,
    *,
    moment: datetime,
    region: str = "",
    kind: str = "service",
    fields: Mapping[str, object] = MappingProxyType({}),
) -> Reply:
    """Return a phrase as a reply; a `numbers` field is filled with the lines open now."""
    phrase = phrases.get(key)
    values = dict(fields)
    if "numbers" in phrase.fields:
        values.setdefault("numbers", numbers(phrases, book, moment, region))
    return Reply(phrase.format(**values), kind, phrase.source)


def fill_numbers(text: str, phrases: PhraseBook, book: HotlineBook, region: str = "") -> str:
    """Replace every `{12356}` of an entry by the line with its hours, as the register has it.

    Raises:
        KeyError: the register has no such number; the handbook check finds this beforehand.
    """

    def line(match: re.Match[str]) -> str:
        found = book.get(match[1], region)
        if found.always:
            return found.number
        if found.daily is None:
            return phrases.format("hotline.varies", number=found.number, name=found.name)
        return phrases.numbers([found])

    return _PLACE.sub(line, text)
