"""An entry of the handbook, as a value.

Made by `knowledge.loader`; read by the check, the search, and everything that shows an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from knowledge.problems import entry_format

_RED_FLAG = re.compile(r"^〔(?P<level>[^〕]*)〕(?P<sign>.*?)(?:→|->)(?P<action>.+)$")
_NUMBERED = re.compile(r"^\s*\d+\s*[.、．)）]\s*")
_BULLET = re.compile(r"^\s*[-*•]\s+")


@dataclass(frozen=True)
class RedFlag:
    """A sign of danger, its level (1, 2, 3 or 3!) and what to do now."""

    level: str
    sign: str
    action: str

    @property
    def urgency(self) -> str:
        """How serious it is, in the word a parent reads instead of the level."""
        return str(entry_format()["urgency"].get(self.level, self.level))


@dataclass(frozen=True)
class Entry:
    """
    One question of parents with its reviewed answer.

    Args:
        covers: Ids of the questions in the handbook's question list.
        sections: Text under each heading, in the order of the file.
        lines: Line of each field and heading in the file, for messages.
    """

    id: str
    title: str
    topic: str
    stages: tuple[str, ...]
    audience: tuple[str, ...]
    covers: tuple[str, ...]
    aliases: tuple[str, ...]
    related: tuple[str, ...]
    courses: tuple[str, ...]
    author: str
    reviewers: tuple[str, ...]
    version: int
    written: date
    next_review: date
    sections: Mapping[str, str]
    path: Path
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def state(self) -> str:
        """Whether a named person has signed the entry, in the words shown beside the answer."""
        states = entry_format()["states"]
        return str(states["signed" if self.reviewers else "unsigned"])

    @property
    def one_sentence(self) -> str:
        """The answer in one sentence."""
        return self.section("answer")

    @property
    def steps(self) -> tuple[str, ...]:
        """What to do now, without the numbers in front."""
        return list_items(self.section("steps"), _NUMBERED)

    @property
    def scripts(self) -> tuple[str, ...]:
        """Sentences that a parent can say as they stand, without the dash and the brackets."""
        return tuple(item.strip("「」") for item in list_items(self.section("scripts")))

    @property
    def avoid(self) -> tuple[str, ...]:
        """What not to do."""
        return list_items(self.section("avoid"))

    @property
    def red_flags(self) -> tuple[RedFlag, ...]:
        """The readable lines of the red-flag section; the check reports the others."""
        flags = (parse_red_flag(item) for item in list_items(self.section("red_flags")))
        return tuple(flag for flag in flags if flag)

    @property
    def told_flags(self) -> str:
        """The red flags as a parent reads them: how serious, the sign, what to do."""
        return "\n".join(f"- 〔{f.urgency}〕{f.sign} → {f.action}" for f in self.red_flags)

    @property
    def sources(self) -> tuple[str, ...]:
        """What the answer rests on."""
        return list_items(self.section("sources"))

    def section(self, key: str) -> str:
        """Return the text of the section called `key` in `format.toml`, empty if it is missing."""
        return self.sections.get(heading(key), "")


def heading(key: str) -> str:
    """Return the heading of the section called `key`."""
    for section in entry_format()["sections"]:
        if section["key"] == key:
            return str(section["heading"])
    raise KeyError(key)


def list_items(text: str, mark: re.Pattern[str] = _BULLET) -> tuple[str, ...]:
    """Split a section into its marked lines; unmarked lines continue the one before."""
    items: list[str] = []
    for line in text.splitlines():
        if mark.match(line):
            items.append(mark.sub("", line).strip())
        elif items and line.strip():
            items[-1] += line.strip()
    return tuple(items)


def loose_line(text: str) -> str:
    """Return the line that stands before the first mark of a list, where no reader finds it."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return "" if _BULLET.match(first) else first.strip()


def parse_red_flag(item: str) -> RedFlag | None:
    """Read 〔level〕sign → action, or return nothing when it is written otherwise."""
    found = _RED_FLAG.match(item)
    if not found:
        return None
    level, sign, action = (part.strip() for part in found.groups())
    return RedFlag(level, sign, action) if action else None
