"""The fixed reply to danger: no model, no network, no database; only reviewed parts put together.

`handlers.risk` asks for the reply to a message of level 2, 3 or 3!. The matrix is family of
category × speaker × level × duty; `crisis.toml` holds the words, `bot.core.hotlines` the numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from bot.core.hotlines import Hotline, HotlineBook
from bot.core.phrases import (
    BYTE_LIMIT,
    Phrase,
    PhraseBook,
    PhraseError,
    load_phrases,
    parse_phrases,
)

Family = Literal[
    "self_harm", "abuse", "missing", "medical", "violence", "bullying", "exhausted_parent", "other"
]
Speaker = Literal["parent_about_child", "about_self", "other_adult", "minor", "unknown"]
Level = Literal["2", "3", "3!"]
Duty = Literal["on", "off"]

FAMILIES: tuple[Family, ...] = get_args(Family)
SPEAKERS: tuple[Speaker, ...] = get_args(Speaker)
LEVELS: tuple[Level, ...] = get_args(Level)
DUTIES: tuple[Duty, ...] = get_args(Duty)

# Most dangerous first: what kills within minutes, then who may be dying or in somebody's hands.
# Joint death (CGB) goes before a plan of one's own, because two lives hang on it.
_DANGER: tuple[tuple[Family, frozenset[str]], ...] = (
    ("medical", frozenset({"OD", "ACC"})),
    ("missing", frozenset({"RUN"})),
    ("exhausted_parent", frozenset({"CGB", "PND"})),
    ("self_harm", frozenset({"SI-AT", "SI-PL"})),
    ("abuse", frozenset({"SA", "ABU", "DV"})),
    ("violence", frozenset({"VIO"})),
    ("self_harm", frozenset({"SI", "SI-A", "SI-P", "SI-H", "NSSI", "TEST"})),
    ("abuse", frozenset({"ONL", "TCH"})),
    ("bullying", frozenset({"BUL"})),
    ("medical", frozenset({"SUB", "ED"})),
    ("other", frozenset({"PSY", "REF", "GAM", "GRIEF", "ANX", "DIS", "ATT", "MED", "REFU"})),
)
_SPEAKER_OF: dict[str, Speaker] = {
    "PS": "about_self",
    "PC": "parent_about_child",
    "G": "parent_about_child",
    "PO": "other_adult",
    "T": "other_adult",
    "S": "minor",
}

# Where the police come before the ambulance.
_POLICE_FIRST = frozenset({"abuse", "missing", "violence", "bullying"})
_KINDS: dict[Family, tuple[str, ...]] = {
    "self_harm": ("psych", "youth", "own"),
    "abuse": ("psych", "youth", "women", "government", "own"),
    "missing": ("psych", "own"),
    "medical": ("psych", "own"),
    "violence": ("psych", "own"),
    "bullying": ("psych", "youth", "own"),
    "exhausted_parent": ("psych", "women", "own"),
    "other": ("psych", "youth", "own"),
}
_MAX_FURTHER_LINES = 4
_FIELD_NUMBERS = {"ambulance": "120", "police": "110", "sms": "12110"}
_STATUS = {"2": "level2", "3": "level3", "3!": "urgent"}
_AGAIN = ("again.any.first", "again.any.second", "again.any.third")
_CELL_PARTS = ("opening", "urgent", "steps", "say", "question", "sharing", "hold")
_SINGLE_PARTS = frozenset(
    {f"status.{duty}.{level}" for duty in DUTIES for level in _STATUS.values()}
    | {"status.accepted.any", "numbers.any.any", "label.any.signed", "label.any.unsigned", *_AGAIN}
)


@dataclass(frozen=True, slots=True)
class CrisisReply:
    """The words for one message of danger, and where each of them came from.

    Args:
        text: at most 2,048 UTF-8 bytes.
        key: the cell, `self_harm.minor.3!.on`; a shorter further reply ends in `.again`.
        version: the newest of its parts' versions; `parts` names them all.
        reviewers: who signed its parts; empty as long as one part is unsigned.
        numbers: phone numbers in the text, all from the register and open at the moment.
        parts: `key@version` of every part, in the text's order.
    """

    text: str
    key: str
    version: int
    reviewers: tuple[str, ...]
    numbers: tuple[str, ...]
    parts: tuple[str, ...]

    @property
    def source(self) -> str:
        """Return what the reply is stored with: `crisis:self_harm.minor.3!.on@1`."""
        return f"crisis:{self.key}@{self.version}"


def family_of(categories: Sequence[str]) -> Family:
    """Return the family of the most dangerous category; `other` for none or unknown codes."""
    found = set(categories)
    return next((family for family, codes in _DANGER if found & codes), "other")


def families_of(categories: Sequence[str]) -> frozenset[Family]:
    """Return every family that one of the categories belongs to."""
    found = set(categories)
    return frozenset(family for family, codes in _DANGER if found & codes)


def speaker_of(who: str | None) -> Speaker:
    """Return who is speaking about whom, from the assessment's code."""
    return _SPEAKER_OF.get(who or "", "unknown")


class CrisisBook:
    """The parts in force and the ways to put them together."""

    def __init__(self, parts: PhraseBook, phrases: PhraseBook) -> None:
        self._parts = parts
        self._phrases = phrases
        self._check()

    def unsigned(self) -> tuple[str, ...]:
        """Return the parts that nobody has signed; live refuses to start while there are any."""
        return self._parts.unsigned()

    def question(self, family: Family, speaker: Speaker) -> Phrase:
        """Return the one safety question, to be asked again by itself."""
        return self._part("question", family, speaker)

    def compose(
        self,
        family: Family,
        speaker: Speaker,
        level: Level,
        duty: Duty,
        hotlines: HotlineBook,
        moment: datetime,
        region: str | None = None,
    ) -> CrisisReply:
        """Return the first reply to danger; arguments as for the function `compose`."""
        kinds = (
            ("opening", "urgent", "steps", "say") if level == "3!" else ("opening", "steps", "say")
        )
        parts = [
            *(self._part(kind, family, speaker) for kind in kinds),
            self._parts.get("numbers.any.any"),
            self._parts.get(f"status.{duty}.{_STATUS[level]}"),
            self._part("question", family, speaker),
            self._part("sharing", family, speaker),
        ]
        key = f"{family}.{speaker}.{level}.{duty}"
        return self._reply(key, parts, _lines(family, hotlines, moment, region), hotlines, moment)

    def compose_again(
        self,
        family: Family,
        speaker: Speaker,
        level: Level,
        duty: Duty,
        hotlines: HotlineBook,
        moment: datetime,
        region: str | None = None,
        *,
        turn: int = 1,
        accepted: bool = False,
    ) -> CrisisReply:
        """Return the shorter further reply; arguments as for the function `compose_again`."""
        status = "status.accepted.any" if accepted else f"status.{duty}.{_STATUS[level]}"
        parts = [
            self._parts.get(_AGAIN[(turn - 1) % len(_AGAIN)]),
            self._part("urgent" if level == "3!" else "hold", family, speaker),
            self._parts.get("numbers.any.any"),
            self._parts.get(status),
            self._part("question", family, speaker),
        ]
        key = f"{family}.{speaker}.{level}.{'accepted' if accepted else duty}.again"
        return self._reply(key, parts, _lines(family, hotlines, moment, region), hotlines, moment)

    def _part(self, kind: str, family: str, speaker: str) -> Phrase:
        """Return the nearest part: for the cell, the family, the speaker, or everybody."""
        for key in _candidates(kind, family, speaker):
            if key in self._parts:
                return self._parts.get(key)
        raise PhraseError(f"no part {kind}.{family}.{speaker}")

    def _reply(
        self,
        key: str,
        parts: list[Phrase],
        lines: list[Hotline],
        hotlines: HotlineBook,
        moment: datetime,
    ) -> CrisisReply:
        signed = all(part.reviewers for part in parts)
        parts.append(self._parts.get("label.any.signed" if signed else "label.any.unsigned"))
        text = self._text(parts, lines, hotlines, moment)
        while len(text.encode()) > BYTE_LIMIT and len(lines) > 2:
            lines = lines[:-1]
            text = self._text(parts, lines, hotlines, moment)
        printed = [line.number for line in lines] + [
            hotlines.get(number).number
            for field, number in _FIELD_NUMBERS.items()
            if any(field in part.fields for part in parts)
        ]
        signers = {name: None for part in parts for name in part.reviewers}
        return CrisisReply(
            text=text,
            key=key,
            version=max(part.version for part in parts),
            reviewers=tuple(signers) if signed else (),
            numbers=tuple(dict.fromkeys(printed)),
            parts=tuple(f"{part.key}@{part.version}" for part in parts),
        )

    def _text(
        self, parts: Iterable[Phrase], lines: list[Hotline], hotlines: HotlineBook, moment: datetime
    ) -> str:
        values = {field: hotlines.get(number).number for field, number in _FIELD_NUMBERS.items()}
        values["numbers"] = self._phrases.numbers(lines, moment)
        return "\n".join(
            part.format(**{field: values[field] for field in part.fields}) for part in parts
        )

    def _check(self) -> None:
        """Refuse a book with a hole, a key that nothing reads, or a field that nothing fills."""
        for kind in _CELL_PARTS:
            for family in FAMILIES:
                for speaker in SPEAKERS:
                    self._part(kind, family, speaker)
        known = set(_cell_keys()) | _SINGLE_PARTS
        for key in _SINGLE_PARTS:
            self._parts.get(key)
        for part in self._parts:
            if part.key not in known:
                raise PhraseError(f"{part.key}: no reply uses a part of this name")
            if unknown := part.fields - _FIELD_NUMBERS.keys() - {"numbers"}:
                raise PhraseError(f"{part.key}: nothing fills {sorted(unknown)[0]}")


def compose(
    family: Family,
    speaker: Speaker,
    level: Level,
    duty: Duty,
    hotlines: HotlineBook,
    moment: datetime,
    region: str | None = None,
) -> CrisisReply:
    """Return the fixed reply to a message of danger.

    Args:
        family: from `family_of`.
        speaker: from `speaker_of`.
        level: `2`, `3` or `3!`.
        duty: `on` only while a delivery to a counselor on duty is under way: the text says so.
        hotlines: the lines in force, with the tenant's own.
        moment: now, aware; a line that is closed then is not printed.
        region: the tenant's division code, for lines with local hours.
    """
    return load_crisis().compose(family, speaker, level, duty, hotlines, moment, region)


def compose_again(
    family: Family,
    speaker: Speaker,
    level: Level,
    duty: Duty,
    hotlines: HotlineBook,
    moment: datetime,
    region: str | None = None,
    *,
    turn: int = 1,
    accepted: bool = False,
) -> CrisisReply:
    """Return the shorter reply to a further message of danger in a case that is open already.

    Args:
        turn: 1 for the first further message; the wording goes round, so that it isn't a wall.
        accepted: a counselor has accepted the case; said instead of the duty.
    """
    return load_crisis().compose_again(
        family, speaker, level, duty, hotlines, moment, region, turn=turn, accepted=accepted
    )


@cache
def load_crisis() -> CrisisBook:
    """Read the parts that ship with the project.

    Raises:
        PhraseError: a part is broken or missing, or a word that is forbidden stands in one.
    """
    phrases = load_phrases()
    text = files("bot.core").joinpath("crisis.toml").read_text(encoding="utf-8")
    return CrisisBook(parse_phrases(text, phrases.forbidden), phrases)


def _candidates(kind: str, family: str, speaker: str) -> tuple[str, ...]:
    return (
        f"{kind}.{family}.{speaker}",
        f"{kind}.{family}.any",
        f"{kind}.any.{speaker}",
        f"{kind}.any.any",
    )


def _cell_keys() -> Iterator[str]:
    for kind in _CELL_PARTS:
        for family in FAMILIES:
            for speaker in SPEAKERS:
                yield from _candidates(kind, family, speaker)


def _lines(
    family: Family, hotlines: HotlineBook, moment: datetime, region: str | None
) -> list[Hotline]:
    """Return 120 and 110, then the other lines for the family that are open now."""
    first = ("110", "120") if family in _POLICE_FIRST else ("120", "110")
    emergency = [hotlines.get(number) for number in first]
    further = hotlines.open_lines(moment, _KINDS[family], region)
    return emergency + [line for line in further if line not in emergency][:_MAX_FURTHER_LINES]
