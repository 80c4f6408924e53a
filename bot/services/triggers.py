"""What a parent names that makes a night worse: results, term's start, a loss, a discharge.

Called by `bot.services.priority`, for messages of an open case only. The words stand in
`triggers.toml`; they move a case inside its level and never change the level.
Source: DOMAIN §3, point 10.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from knowledge.risk.normalise import STOP, fold

_SIGNS = re.compile("([…#])")
# A gap never leaves the sentence: where one ends, the folded text gets a line break.
_MEANS = {"…": ".{0,6}", "#": r"(?:\d{1,2}|[一二两三四五六七八九十几半]{1,3})"}
_TAKEN_OUT = "\n"


@dataclass(frozen=True, slots=True)
class Trigger:
    """One kind of trigger, its words as one expression each.

    Args:
        code: `results`, `term_start`, `breakup`, `scolding`, `bereavement` or `discharge`.
        unless: what is taken out of a message before; None for nothing.
    """

    code: str
    words: re.Pattern[str]
    unless: re.Pattern[str] | None

    def named_in(self, sentences: str) -> bool:
        """Say whether a folded text, one sentence a line, names it."""
        if self.unless is not None:
            sentences = self.unless.sub(_TAKEN_OUT, sentences)
        return self.words.search(sentences) is not None


def triggers_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the codes of the triggers that any of the texts names, in the file's order."""
    folded = [_sentences(text) for text in texts if text]
    return tuple(one.code for one in load_triggers() if any(one.named_in(text) for text in folded))


@cache
def load_triggers() -> tuple[Trigger, ...]:
    """Read the words that ship with the project."""
    text = files("bot.services").joinpath("triggers.toml").read_text("utf-8")
    return parse_triggers(tomllib.loads(text))


def parse_triggers(tables: Mapping[str, Mapping[str, list[str]]]) -> tuple[Trigger, ...]:
    """Return the triggers of a word list; every other key than `words` and `unless` is refused.

    Raises:
        ValueError: a table with other keys, or a phrase without a letter.
    """
    found = []
    for code, table in tables.items():
        if not {"words"} <= table.keys() <= {"words", "unless"}:
            raise ValueError(f"{code}: expected words and unless")
        unless = table.get("unless")
        expression = _expression(unless) if unless else None
        found.append(Trigger(code, _expression(table["words"]), expression))
    return tuple(found)


def _expression(phrases: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(_phrase(phrase) for phrase in phrases))


def _phrase(phrase: str) -> str:
    pieces = [piece if piece in _MEANS else fold(piece).text for piece in _SIGNS.split(phrase)]
    if not any(piece for piece in pieces if piece not in _MEANS):
        raise ValueError("a phrase without a letter")
    return "".join(_MEANS.get(piece) or re.escape(piece) for piece in pieces)


def _sentences(text: str) -> str:
    folded = fold(text)
    pieces = zip(folded.text, folded.breaks, strict=True)
    return "".join(f"\n{char}" if strength >= STOP else char for char, strength in pieces)
