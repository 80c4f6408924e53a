"""What the handbook is made of: its topics, the questions it must answer, the themes of courses.

Read by the check, the report, the exports and the entry's page.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Question:
    """A question that parents ask; an entry answers it when its `covers` names the id."""

    id: str
    topic: str
    stages: str
    text: str


@dataclass(frozen=True)
class CourseTheme:
    """A theme under which districts offer courses, with the stages it is for."""

    id: str
    title: str
    stages: tuple[str, ...]


@cache
def questions() -> Mapping[str, Question]:
    """Return the question list of `questions.tsv` by id."""
    return {row[0]: Question(row[0], row[1], row[3], row[4]) for row in _question_rows()}


@cache
def topics() -> Mapping[str, str]:
    """Return the names of the topics by id, in their order."""
    return {row[1]: row[2] for row in _question_rows()}


@cache
def course_themes() -> Mapping[str, CourseTheme]:
    """Return the themes of `courses.toml` by id."""
    found = tomllib.loads((_FOLDER / "courses.toml").read_text(encoding="utf-8"))
    return {
        name: CourseTheme(name, row["title"], tuple(row["stages"])) for name, row in found.items()
    }


def _question_rows() -> list[list[str]]:
    lines = (_FOLDER / "questions.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]
