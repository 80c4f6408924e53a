"""The courses that a sentence may mean which asks for a place, or gives one up.

Called by the chat's handler; the sentences are read by `bot.core.course_wish`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from rapidfuzz import fuzz

from bot.core import course_wish
from bot.core.clock import to_shanghai
from bot.core.course_wish import TITLE_LEAST, Wish
from bot.db.models.course import Course

# Of 100: from where a title counts as meant, and how close behind the best one others still do.
MEANT, CLOSE = 70.0, 12.0
# From where words are a title and not a question, however they sound.
QUOTED, QUOTED_LEAST = 85.0, 4

_MARKS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Match:
    """The courses that a wish may mean; `certain`: exactly the one."""

    found: tuple[Course, ...]
    certain: bool


def read_wish(text: str, today: date, titles: Sequence[str] = ()) -> Wish | None:
    """Return what a whole message wants to sign up for; None: it is something else.

    Args:
        titles: of the courses on offer, which may themselves sound like a question.
    """
    return _meant(course_wish.booking(text, today), titles)


def read_give_up(text: str, today: date, titles: Sequence[str] = ()) -> Wish | None:
    """Return what a whole message wants to give up; None: it is something else."""
    return _meant(course_wish.giving_up(text, today), titles)


def _meant(wish: Wish | None, titles: Sequence[str]) -> Wish | None:
    return wish if wish and (not wish.asks or _quotes(wish.said, titles)) else None


def _quotes(said: str, titles: Sequence[str]) -> bool:
    return len(said) >= QUOTED_LEAST and any(
        fuzz.partial_ratio(said, _folded(title)) >= QUOTED for title in titles
    )


def _folded(title: str) -> str:
    return _MARKS.sub("", title).lower()


def match(wish: Wish, offered: Sequence[Course]) -> Match:
    """Return what is meant among some courses."""
    kept = [course for course in offered if _in_hours(course, wish)]
    on_day = [course for course in kept if not wish.days or _day(course) in wish.days]
    certain = bool(on_day)
    if not on_day:
        on_day = [course for course in kept if _day(course).isoweekday() in wish.weekdays]
    found = _named(wish.title, on_day)
    of_kind = [course for course in found if course.kind == wish.kind]
    found = of_kind or found
    return Match(tuple(found), certain and wish.points and len(found) == 1)


def _day(course: Course) -> date:
    return to_shanghai(course.starts_at).date()


def _in_hours(course: Course, wish: Wish) -> bool:
    return wish.hours[0] <= to_shanghai(course.starts_at).hour < wish.hours[1]


def _named(title: str, among: Sequence[Course]) -> list[Course]:
    if len(title) < TITLE_LEAST:
        return list(among)
    scores = [(fuzz.partial_ratio(title, _folded(course.title)), course) for course in among]
    best = max((score for score, _ in scores), default=0.0)
    return [course for score, course in scores if score >= max(MEANT, best - CLOSE)]
