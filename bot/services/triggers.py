"""What a parent names that makes a night worse: results, term's start, a loss, a discharge.

Called by `bot.services.priority`, for messages of an open case only. The words stand in
`triggers.toml`; they move a case inside its level and never change the level.
Source: DOMAIN §3, point 10.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from knowledge.risk.normalise import STOP, fold

GAP, NUMBER = "…", "#"
# A gap never leaves the sentence: where one ends, the folded text gets a line break.
_GAP = ".{0,6}"
_SIGNS = re.compile(f"([{GAP}{NUMBER}])")
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
    return parse_triggers(files("bot.services").joinpath("triggers.toml").read_text("utf-8"))


def parse_triggers(text: str) -> tuple[Trigger, ...]:
    """Return the triggers of a word list, written as TOML.

    Raises:
        ValueError: a table with other keys than `words` and `unless`, a phrase without a letter.
    """
    book: dict[str, Any] = tomllib.loads(text)
    number = rf"(?:\d{{1,2}}|[{re.escape(book['numerals'])}]{{1,3}})"
    found = []
    for code, table in book["trigger"].items():
        if not {"words"} <= table.keys() <= {"words", "unless"}:
            raise ValueError(f"{code}: expected words and unless")
        words = _expression(table["words"], number)
        unless = _expression(table["unless"], number) if "unless" in table else None
        found.append(Trigger(code, words, unless))
    return tuple(found)


def _expression(phrases: Iterable[str], number: str) -> re.Pattern[str]:
    return re.compile("|".join(_phrase(phrase, number) for phrase in phrases))


def _phrase(phrase: str, number: str) -> str:
    means = {GAP: _GAP, NUMBER: number}
    pieces = [piece if piece in means else fold(piece).text for piece in _SIGNS.split(phrase)]
    if not any(piece for piece in pieces if piece not in means):
        raise ValueError("a phrase without a letter")
    return "".join(means.get(piece) or re.escape(piece) for piece in pieces)


def _sentences(text: str) -> str:
    folded = fold(text)
    pieces = zip(folded.text, folded.breaks, strict=True)
    return "".join(f"\n{char}" if strength >= STOP else char for char, strength in pieces)
