"""What the pages about courses read and write: words, the form's fields, the exported list.

Called by `bot.web.courses` and its templates.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from io import BytesIO

from openpyxl import Workbook

from bot.core.clock import SHANGHAI, to_shanghai
from bot.core.errors import InputInvalid
from bot.db.models import Course
from bot.services.course_lists import Comer
from bot.services.courses import STAGES, CourseText

INPUT_TIME = "%Y-%m-%dT%H:%M"
COLUMNS = ("number", "state", "since", "channel", "guardian", "children", "where")


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return the words of `courses.toml`, by group and code."""
    return tomllib.loads(files("bot.web").joinpath("courses.toml").read_text("utf-8"))


def word(group: str, code: str) -> str:
    """Return the Chinese words for a code; an unknown code is shown as it is."""
    return words()[group].get(code, code)


def read(form: Mapping[str, str]) -> CourseText:
    """Return what a form says.

    Raises:
        InputInvalid: a time or a number can't be read; the message is a code of `[input]`.
    """
    places = form.get("places", "").strip()
    if places and not (places.isascii() and places.isdecimal() and len(places) < 9):
        raise InputInvalid("places", field="places")
    starts_at, ends_at = _moment(form, "starts_at"), _moment(form, "ends_at")
    if starts_at is None or ends_at is None:
        field = "ends_at" if starts_at else "starts_at"
        raise InputInvalid(field, field=field)
    return CourseText(
        kind=form.get("kind", ""),
        title=" ".join(form.get("title", "").split()),
        summary=form.get("summary", "").replace("\r\n", "\n"),
        speaker=form.get("speaker", ""),
        stages="".join(letter for letter in STAGES if form.get(f"stage_{letter}")),
        where=" ".join(form.get("where", "").split()),
        starts_at=starts_at,
        ends_at=ends_at,
        closes_at=_moment(form, "closes_at"),
        places=int(places) if places else None,
    )


def fields(course: Course) -> dict[str, str]:
    """Return a course as its form would send it."""
    moments = {name: getattr(course, name) for name in ("starts_at", "ends_at", "closes_at")}
    return {
        "kind": course.kind,
        "title": course.title,
        "summary": course.summary,
        "speaker": course.speaker,
        "where": course.where,
        "places": "" if course.places is None else str(course.places),
        "place": str(course.place_id),
        **{f"stage_{letter}": "yes" for letter in course.stages},
        **{
            name: f"{to_shanghai(moment):{INPUT_TIME}}" if moment else ""
            for name, moment in moments.items()
        },
    }


def sheet(comers: Sequence[Comer]) -> bytes:
    """Return the list of a course as an Excel file."""
    book = Workbook()
    page = book.active
    assert page is not None
    page.title = word("sheet", "name")
    page.append([word("sheet", column) for column in COLUMNS])
    for number, comer in enumerate(comers, 1):
        page.append([number, *_row(comer)])
        for cell in page[number + 1][1:]:
            # A name that begins like a formula stays a name.
            cell.data_type = "s"
    for letter, width in zip("ABCDEFG", (6, 10, 18, 10, 16, 20, 24), strict=True):
        page.column_dimensions[letter].width = width
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def _row(comer: Comer) -> list[str]:
    hidden = word("sheet", "hidden" if comer.bound else "unbound")
    return [
        word("comer", comer.state),
        f"{to_shanghai(comer.since):%Y-%m-%d %H:%M}",
        word("channel", comer.channel),
        comer.guardian or hidden,
        "、".join(comer.children) or hidden,
        "、".join(comer.where),
    ]


def _moment(form: Mapping[str, str], field: str) -> datetime | None:
    """Return a moment in China's time; None when the field is empty."""
    text = form.get(field, "").strip()
    if not text:
        return None
    try:
        return datetime.strptime(text, INPUT_TIME).replace(tzinfo=SHANGHAI)
    except ValueError:
        raise InputInvalid(field, field=field) from None
