"""Courses in words: day and time, one line of a list. Called by the chat, pushes and reminders."""

from datetime import datetime

from bot.core.clock import to_shanghai
from bot.core.phrases import load_phrases
from bot.db.models.course import Course

# In a list and in front of other words; WeChat takes 2,048 bytes in all.
TITLE_SHORT, WHERE_SHORT = 24, 14


def day(moment: datetime) -> str:
    """Return a date as people say it: 11月28日（周六）."""
    local = to_shanghai(moment)
    book = load_phrases()
    weekday = book.format(f"course.weekday.{local.isoweekday()}")
    return book.format("course.day", month=local.month, day=local.day, weekday=weekday)


def span(course: Course) -> str:
    """Return when a course is, in words; with both days where it lasts over midnight."""
    start, end = to_shanghai(course.starts_at), to_shanghai(course.ends_at)
    last = "" if start.date() == end.date() else day(course.ends_at)
    return f"{day(course.starts_at)}{start:%H:%M}–{last}{end:%H:%M}"


def short(text: str, most: int) -> str:
    """Return a text cut to a number of characters, with a sign where something is left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def where(course: Course) -> str:
    """Return the place of a course, or that it is told later."""
    return course.where or load_phrases().format("course.where_later")


def left(course: Course) -> str:
    """Return how many places are left, in words; empty without a limit."""
    book = load_phrases()
    if course.places is None:
        return ""
    free = course.places - course.taken
    return book.format("course.left", count=free) if free > 0 else book.format("course.full")


def line(number: int, course: Course) -> str:
    """Return one line of a numbered list."""
    return load_phrases().format(
        "course.line",
        number=number,
        title=short(course.title, TITLE_SHORT),
        span=span(course),
        where=short(where(course), WHERE_SHORT),
        left=left(course),
    )
