"""The values that go into and come out of a risk assessment.

Called by everything in `knowledge.risk`, and by the services that keep cases.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Subject = Literal["self", "child", "other", "unknown"]

SPEAKERS = ("PS", "PC", "PO", "T", "S", "G", "Q", "X")


class Level(StrEnum):
    """Severity of a message, without direction or colour; the text order is the severity order."""

    NONE = "0"
    WATCH = "1"
    FOCUS = "2"
    HIGH = "3"
    EMERGENCY = "3!"

    @property
    def rank(self) -> int:
        """Return 0 for no danger up to 4 for an emergency."""
        return _ORDER.index(self)

    @property
    def escalated(self) -> bool:
        """Tell whether a counselor must see the message."""
        return self.rank >= 2

    def lowered(self) -> Level:
        """Return the next level down; nothing falls below WATCH, and NONE stays."""
        return self if self.rank <= 1 else _ORDER[self.rank - 1]


_ORDER = tuple(Level)


def max_level(levels: Iterable[Level]) -> Level:
    """Return the most severe of the levels, NONE when there are none."""
    return max(levels, key=lambda level: level.rank, default=Level.NONE)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside the text itself.

    Args:
        who: speaker code of DOMAIN §3 (PS PC PO T S G Q X); None when nobody knows, and then the
            higher level of what the speaker could be is taken.
        turns: earlier messages of the same person in the last 24 hours, oldest first, at most ten.
        floor: level of an open case or of the last day; the result never falls below it.
        weak_signs: weak signs already counted today outside `turns`.
    """

    who: str | None = None
    turns: tuple[str, ...] = ()
    floor: Level = Level.NONE
    weak_signs: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the original text, in code points, `end` exclusive."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the screen says about one message.

    `fresh` is the level of this text alone; `level` also counts the conversation and the floor.
    `reasons` are Chinese sentences from the rule files that a counselor can read out.
    """

    level: Level
    categories: tuple[str, ...]
    spans: tuple[Span, ...]
    who: str
    subject: Subject
    reasons: tuple[str, ...]
    rule_ids: tuple[str, ...]
    rule_version: str
    weak: bool
    fresh: Level
