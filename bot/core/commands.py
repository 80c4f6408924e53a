"""Commands and small talk: whole messages with one meaning, read from `commands.toml`.

Called by handlers. Only a whole message counts, so that no question is taken for a command.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from bot.core import slips
from bot.core.messages import Kind

_STRIP = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"(?P<words>.*?)第?(?P<number>\d{1,2}|[一二三四五六七八九])(?:项|个|条)?")
_DIGITS_ALONE = re.compile(r"[选看]?第?(?P<number>\d{1,2})条?")
_PREFIX = re.compile(r"(?P<word>\w{2,12})(?:[\s:：,，、]+(?P<rest>.*))?", re.DOTALL)
_DIGITS = {sign: value for value, sign in enumerate("一二三四五六七八九", 1)}
LONGEST = 24
# What a person says to us; the label of a place and the title of a link are somebody else's words.
SPOKEN = frozenset({Kind.TEXT, Kind.VOICE, Kind.MENU})


def bare(text: str) -> str:
    """Return a short text without spaces, marks and case; empty for a long one."""
    if len(text) > 4 * LONGEST:
        return ""
    folded = _STRIP.sub("", unicodedata.normalize("NFKC", text)).lower()
    return folded if len(folded) <= LONGEST else ""


def spoken(kind: Kind) -> bool:
    """Say whether a message of this kind can be a command."""
    return kind in SPOKEN


@cache
def _tables() -> Mapping[str, Mapping[str, frozenset[str]]]:
    source = files("bot.core").joinpath("commands.toml").read_text(encoding="utf-8")
    return {
        table: {name: frozenset(map(bare, words)) for name, words in rows.items()}
        for table, rows in tomllib.loads(source).items()
    }


def means(command: str, text: str) -> bool:
    """Say whether a whole message is a command of a name of `commands.toml`."""
    return bare(text) in _tables()["commands"][command]


def answers(answer: str, text: str) -> bool:
    """Say whether a whole message is an answer to the question that was asked just before."""
    return bare(text) in _tables()["answers"][answer]


def is_command(text: str) -> bool:
    """Say whether a message is any of the commands, numbered or prefixed, or a slip's code."""
    tables = _tables()
    return (
        any(means(name, text) for name in tables["commands"])
        or numbered(tables["numbered"], text) is not None
        or any(prefixed(name, text) is not None for name in tables["prefixed"])
        or slips.code_in(text) is not None
    )


def numbered(commands: Iterable[str], text: str) -> tuple[str, int] | None:
    """Return the command and the item's number of a message such as 「同意1」."""
    match = _NUMBER.fullmatch(bare(text))
    if match is None:
        return None
    for command in commands:
        if match["words"] in _tables()["numbered"][command]:
            return command, _value(match["number"])
    return None


def bare_number(text: str) -> int | None:
    """Return the number that a whole message is (1, １, 一, 第2个), else None."""
    match = _NUMBER.fullmatch(bare(text))
    if match is None or match["words"] not in ("", "选"):
        return None
    return _value(match["number"])


def digits(text: str) -> int | None:
    """Return the number that a whole message is in digits (1, ②, 选1, 看第1), else None."""
    match = _DIGITS_ALONE.fullmatch(bare(text))
    return None if match is None else int(match["number"])


def prefixed(command: str, text: str) -> str | None:
    """Return what follows a command's word in a message such as 「留言 我们请假」.

    A space or a sign has to stand between them; what follows stays as it was written.

    Returns:
        None: it is not this command; empty: nothing follows.
    """
    match = _PREFIX.fullmatch(text.strip())
    if match is None or bare(match["word"]) not in _tables()["prefixed"][command]:
        return None
    return (match["rest"] or "").strip()


def smalltalk_phrase(text: str) -> str | None:
    """Return the key of the phrase that answers a greeting, thanks or the like."""
    return _phrase("smalltalk", text)


def thanks(text: str) -> bool:
    """Say whether a short message has a word of thanks in it."""
    word = bare(text)
    return any(thank in word for thank in _tables()["smalltalk"]["smalltalk.thanks"])


def fixed_phrase(text: str) -> str | None:
    """Return the key of the phrase for a message that asks nothing that could be searched."""
    return _phrase("fixed", text)


def _phrase(table: str, text: str) -> str | None:
    word = bare(text)
    for key, words in _tables()[table].items():
        if word and word in words:
            return key
    return None


def _value(sign: str) -> int:
    return _DIGITS.get(sign) or int(sign)
