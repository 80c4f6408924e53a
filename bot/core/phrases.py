"""Fixed sentences: the only words, beside handbook entries and people's own, that a parent gets.

`phrases.toml` holds them, `bot.core.crisis` reads its parts through the same reader. Handlers
and services ask for a key and fill in the fields; they never write a sentence themselves.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

from bot.core.hotlines import DAY_MINUTES, Hotline, Interval, clock_time

BYTE_LIMIT = 2048
"""WeChat refuses a longer text (45002); the tightest of the channels, so it holds for all."""

_ATTRIBUTES = frozenset({"text", "fields", "version", "reviewers"})
_BARE_NUMBER = re.compile(r"\d{3,}")


class PhraseError(ValueError):
    """A sentence can't be used as it stands; the message names its key, never a person's words."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One reviewed sentence.

    Args:
        key: dotted name, `handoff.on`.
        text: Chinese, with `{name}` where a field goes.
        version: raised with every change of the text.
        reviewers: who signed this version; empty as long as nobody has.
        fields: names that have to be filled in.
    """

    key: str
    text: str
    version: int
    reviewers: tuple[str, ...]
    fields: frozenset[str]

    @property
    def source(self) -> str:
        """Return what a reply is stored with: `phrase:handoff.on@1`."""
        return f"phrase:{self.key}@{self.version}"

    def format(self, **fields: object) -> str:
        """Fill in the fields; values are put in as they are.

        Raises:
            PhraseError: a field is missing, or one was given that the text has no place for.
        """
        if fields.keys() != self.fields:
            wrong = ", ".join(sorted(fields.keys() ^ self.fields))
            raise PhraseError(f"{self.key}: missing or unknown field {wrong}")
        return self.text.format_map(fields)


class PhraseBook:
    """The sentences in force."""

    def __init__(self, phrases: Iterable[Phrase], forbidden: Iterable[str] = ()) -> None:
        self._phrases = {phrase.key: phrase for phrase in phrases}
        self.forbidden = tuple(forbidden)
        for phrase in self._phrases.values():
            for word in self.forbidden:
                if word in phrase.text:
                    raise PhraseError(f"{phrase.key}: contains the forbidden words {word}")

    def __contains__(self, key: object) -> bool:
        return key in self._phrases

    def __iter__(self) -> Iterator[Phrase]:
        return iter(self._phrases.values())

    def get(self, key: str) -> Phrase:
        """Return one phrase.

        Raises:
            PhraseError: there is none of that key.
        """
        try:
            return self._phrases[key]
        except KeyError:
            raise PhraseError(f"no phrase {key}") from None

    def format(self, key: str, **fields: object) -> str:
        """Return a phrase's words with its fields filled in.

        Raises:
            PhraseError: unknown key, missing or unknown field.
        """
        return self.get(key).format(**fields)

    def unsigned(self) -> tuple[str, ...]:
        """Return the keys that nobody has signed, sorted."""
        return tuple(sorted(key for key, phrase in self._phrases.items() if not phrase.reviewers))

    def numbers(self, lines: Iterable[Hotline], moment: datetime | None = None) -> str:
        """Print lines with their hours, for the field `numbers` of many phrases.

        Args:
            lines: from `HotlineBook.open_lines` (with the same moment) or `dated_lines`.
            moment: picks the interval that is open; without it the daily hours are printed.

        Raises:
            PhraseError: a line has no hours that could be printed.
        """
        return self.format("hotline.separator").join(self._number(line, moment) for line in lines)

    def _number(self, line: Hotline, moment: datetime | None) -> str:
        if line.always:
            return self.format("hotline.always", number=line.number, name=line.name)
        span = line.interval_at(moment) if moment else line.daily
        if span is None:
            raise PhraseError(f"hotline {line.number} is closed or its hours are unknown")
        return self.format(
            "hotline.hours",
            number=line.number,
            name=line.name,
            start=clock_time(span.start),
            end=self._end(span),
        )

    def _end(self, span: Interval) -> str:
        end = clock_time(span.end)
        return self.format("hotline.next_day", time=end) if span.end > DAY_MINUTES else end


@cache
def load_phrases() -> PhraseBook:
    """Read the sentences that ship with the project.

    Raises:
        PhraseError: a phrase is incomplete or breaks a rule of `parse_phrases`.
    """
    return parse_phrases(files("bot.core").joinpath("phrases.toml").read_text(encoding="utf-8"))


@cache
def load_alerts() -> PhraseBook:
    """Read the sentences for the people on duty; a parent never receives one of these.

    Raises:
        PhraseError: a phrase is incomplete or breaks a rule of `parse_phrases`.
    """
    return parse_phrases(files("bot.core").joinpath("alerts.toml").read_text(encoding="utf-8"))


def parse_phrases(text: str, forbidden: Iterable[str] = ()) -> PhraseBook:
    """Read phrases from TOML: one table a phrase, its dotted name the key.

    Args:
        text: each table has `text`, `version`, `reviewers` and, where needed, `fields`; a list
            `forbidden` at the top holds words that no phrase may contain.
        forbidden: further such words.

    Raises:
        PhraseError: unknown or missing attribute; fields that differ from the text's places; a
            bare phone number (they come from the register, through a field); forbidden words.
    """
    data = tomllib.loads(text)
    words = (*data.pop("forbidden", ()), *forbidden)
    return PhraseBook(_tables(data, ""), words)


def _tables(data: Mapping[str, Any], prefix: str) -> Iterator[Phrase]:
    for name, value in data.items():
        key = f"{prefix}{name}"
        if not isinstance(value, dict):
            raise PhraseError(f"{key}: stands outside a phrase")
        if "text" in value:
            yield _phrase(key, value)
        else:
            yield from _tables(value, f"{key}.")


def _phrase(key: str, table: Mapping[str, Any]) -> Phrase:
    if unknown := set(table) - _ATTRIBUTES:
        raise PhraseError(f"{key}: unknown attribute {sorted(unknown)[0]}")
    text, version, reviewers = table["text"], table.get("version"), table.get("reviewers")
    if not isinstance(text, str) or not text.strip():
        raise PhraseError(f"{key}: text is empty")
    if not isinstance(version, int) or version < 1:
        raise PhraseError(f"{key}: version must be 1 or more")
    if not isinstance(reviewers, list):
        raise PhraseError(f"{key}: reviewers must be a list, empty while nobody has signed")
    fields = frozenset(table.get("fields", ()))
    if _places(key, text) != fields:
        raise PhraseError(f"{key}: fields differ from the places in the text")
    if _BARE_NUMBER.search(text):
        raise PhraseError(f"{key}: a phone number must come from the register, through a field")
    return Phrase(key, text.strip("\n"), version, tuple(reviewers), fields)


def _places(key: str, text: str) -> frozenset[str]:
    """Return the names in braces; only plain `{name}` is allowed."""
    places = set()
    for _, name, spec, conversion in Formatter().parse(text):
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise PhraseError(f"{key}: a place is written {{name}} and nothing more")
        places.add(name)
    return frozenset(places)
