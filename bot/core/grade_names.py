"""Names of grades and classes as schools write them, and what they are called a year later.

三年级2班 becomes 四年级2班, 初一 becomes 初二; the words are in `grade_names.toml`. Called by
`bot.services.move_up` and where places are made.
"""

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

# A school whose sixth grade stays in the house goes on in whichever series it already uses.
_AFTER_PRIMARY = ("years", 6, "junior")


@dataclass(frozen=True, slots=True)
class Series:
    """One row of grades.

    Args:
        words: each way of writing them, all of the same length or shorter.
        follow: for each way, what has to come after the word.
        ends: the positions, from 1, at which a school may end.
    """

    code: str
    stages: str
    ends: tuple[int, ...]
    words: tuple[tuple[str, ...], ...]
    follow: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grade:
    """A name that begins with a grade.

    Args:
        number: the position in its series, from 1.
        way: which way of writing the series.
        rest: what follows the grade's word: `2班`, or nothing.
    """

    series: str
    number: int
    way: int
    rest: str

    @property
    def word(self) -> str:
        """Return the grade's own word."""
        return _series()[self.series].words[self.way][self.number - 1]

    @property
    def name(self) -> str:
        """Return the whole name."""
        return self.word + self.rest

    @property
    def stage(self) -> str:
        """Return the handbook's stage, A to F."""
        return _series()[self.series].stages[self.number - 1]

    @property
    def key(self) -> str:
        """Return what all names of this grade have in common, however they are written."""
        return f"{self.series}.{self.number}"


@cache
def _series() -> dict[str, Series]:
    source = files("bot.core").joinpath("grade_names.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(source)["series"]
    return {
        row["code"]: Series(
            row["code"],
            row["stages"],
            tuple(row["ends"]),
            tuple(tuple(words) for words in row["words"]),
            tuple(row["follow"]),
        )
        for row in rows
    }


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str, int], ...]:
    """Return a pattern for each way of writing each series."""
    found = []
    for series in _series().values():
        for way, words in enumerate(series.words):
            longest = sorted(words, key=len, reverse=True)
            either = "|".join(re.escape(word) for word in longest)
            found.append((re.compile(f"({either})(?={series.follow[way]})"), series.code, way))
    return tuple(found)


def read(name: str) -> Grade | None:
    """Return the grade a name begins with; None where it names none (`2023级1班`, `2班`)."""
    for pattern, code, way in _patterns():
        match = pattern.match(name)
        if match:
            number = _series()[code].words[way].index(match.group(1)) + 1
            return Grade(code, number, way, name[match.end() :])
    return None


def following(grade: Grade, others: Collection[Grade] = ()) -> Grade | None:
    """Return what a grade is called a year later; None where its children leave the school.

    Args:
        others: the grades of the same school; they tell whether the sixth grade ends there.
    """
    series = _series()[grade.series]
    words = series.words[grade.way]
    later = any(one.series == grade.series and one.number > grade.number for one in others)
    primary, last, junior = _AFTER_PRIMARY
    if (grade.series, grade.number) == (primary, last) and not later:
        if any(one.series == junior for one in others):
            return replace(grade, series=junior, number=1, way=0)
        return None
    if grade.number in series.ends and not later:
        return None
    return replace(grade, number=grade.number + 1) if grade.number < len(words) else None


def stage_of(name: str) -> str | None:
    """Return the handbook's stage of a place by its name, or None."""
    grade = read(name)
    return grade.stage if grade else None
