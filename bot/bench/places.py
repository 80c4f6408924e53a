"""`xinqing bench places`: many parents want the last places of a course in the same second.

Called by `bot.cli.bench`. Signed and encrypted callbacks meet real processes; what each parent was
told is compared word for word with what stands in the tables. Then one gives a place up, and the
first who waits has to get it and be told.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import httpx2
from sqlalchemy import text

from bot.bench.databases import SQLITE, engine_version, plain_engine
from bot.bench.load import Answered, Run
from bot.bench.measure import load, machine, spread
from bot.bench.stage import Stage, open_stage
from bot.core.clock import SystemClock
from bot.core.errors import XinqingError
from bot.core.phrases import load_phrases
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.db.models.course import COURSE, ENROLLED, OPEN, WAITING, Course
from bot.db.opening import open_database
from bot.services import course_words
from bot.services.places import root_district
from bot.simulator.driver import ServiceBroken

TITLE = "名额很少的演示课"
LIST, SIGN_UP, GIVE_UP = "课程", "报名1", "取消报名"
# Before everything of the demonstration's catalogue, so that it is number 1 of the list.
STARTS_IN, LENGTH = timedelta(hours=26), timedelta(minutes=90)
TELL_SECONDS = 60.0
AT_ONCE_BEFORE = 8
_HELD = text(
    "SELECT contact.external_id, enrolment.state FROM enrolment"
    " JOIN contact ON contact.id = enrolment.contact_id"
    " WHERE enrolment.course_id = :course AND enrolment.state IN ('enrolled', 'waiting')"
    " ORDER BY enrolment.waits_from, enrolment.id"
)
_TAKEN = text("SELECT taken FROM course WHERE id = :course")


class NotListed(XinqingError):
    """The course is not what parents were shown as number 1."""


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds a place and who waits, in order, as the tables say it."""

    taken: int
    enrolled: frozenset[str]
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offered:
    """The course, and how it is spoken of."""

    id: int
    span: str
    where: str

    def truth(self, openid: str, held: Held) -> str:
        """Return the words that somebody has to be told, empty when nothing was booked."""
        book = load_phrases()
        if openid in held.enrolled:
            remind = book.format("course.remind_wechat")
            fields = {"title": TITLE, "span": self.span, "where": self.where, "remind": remind}
            return book.format("course.booked", **fields).strip()
        if openid in held.waiting:
            place = held.waiting.index(openid) + 1
            return book.format("course.waiting", title=TITLE, span=self.span, place=place).strip()
        return ""


@dataclass(frozen=True, slots=True)
class _Round:
    """A stage with the course on offer."""

    stage: Stage
    course: Offered

    async def post(self, names: Sequence[str], words: str, at_once: int) -> Run:
        """Post a callback of each, so many at once, each over a connection of its own."""
        ready = [self.stage.prepare_one(name, words) for name in names]
        run = await self.stage.driver.closed(iter(ready), concurrency=at_once, seconds=TELL_SECONDS)
        await self.stage.settle()
        return run

    def told(self, run: Run) -> dict[str, str]:
        """Return what everybody was told: in the callback's answer, or a little later."""
        return {
            one.ready.openid: (self._read(one) or self._last(one.ready.openid)).strip()
            for one in run.answers
        }

    def held(self) -> Held:
        """Read who holds a place, with plain SQL."""
        with plain_engine(self.stage.house.database).connect() as connection:
            rows = connection.execute(_HELD, {"course": self.course.id}).all()
            taken = connection.execute(_TAKEN, {"course": self.course.id}).scalar_one()
        return Held(
            int(taken),
            frozenset(str(name) for name, state in rows if state == ENROLLED),
            tuple(str(name) for name, state in rows if state == WAITING),
        )

    def _read(self, answer: Answered) -> str:
        try:
            response = httpx2.Response(answer.status, content=answer.body)
            return self.stage.wechat.read_answer(response) or ""
        except ServiceBroken:
            return ""

    def _last(self, openid: str) -> str:
        later = self.stage.platform.texts(openid)
        return later[-1] if later else ""


async def bench_places(
    *, people: int, places: int, processes: int, database: str = SQLITE
) -> dict[str, object]:
    """Let so many sign up at once for so few places and return who got them.

    Args:
        processes: web processes that share the callbacks.
        database: `sqlite`, or the address of a PostgreSQL server.

    Raises:
        NotListed: parents were shown another course as number 1.
    """
    before = load()
    async with open_stage(processes=processes, database=database) as stage:
        names = [f"oPlace{number:04}" for number in range(people)]
        on = _Round(stage, await _offer(stage, places))
        await asyncio.to_thread(stage.house.start)
        await _show_list(on, names)
        run = await on.post(names, SIGN_UP, len(names))
        held, told = on.held(), on.told(run)
        moved = await _one_leaves(on, held)
        complaints = stage.house.complaints()
    return {
        "bench": "places",
        "engine": engine_version(database),
        "processes": processes,
        "people": people,
        "places": places,
        "seconds_for_all": round(run.seconds, 2),
        "answered": spread([one.seconds for one in run.answers]),
        "answers_failed": sum(one.status != 200 for one in run.answers),
        "booked": len(held.enrolled),
        "waiting": len(held.waiting),
        "taken_as_the_course_says": held.taken,
        "told_the_truth": sum(
            told.get(name) == on.course.truth(name, held) != "" for name in names
        ),
        "one_gives_up": moved,
        "complaints": complaints,
        "load_before_and_after": [before, load()],
        "machine": machine(),
    }


async def _offer(stage: Stage, count: int) -> Offered:
    """Offer a course with few places to the whole district."""
    crypto.install(crypto.KeyRing.parse(stage.house.secret_keys))
    database, now = Database(make_engine(stage.house.database)), SystemClock().now()
    try:
        await open_database(database)
        async with database.write() as session:
            district = await root_district(session, None)
            assert district is not None, "the demonstration has one"
            course = Course(
                kind=COURSE,
                place_id=district.id,
                title=TITLE,
                summary=TITLE,
                where="",
                starts_at=now + STARTS_IN,
                ends_at=now + STARTS_IN + LENGTH,
                places=count,
                state=OPEN,
                created_at=now,
                updated_at=now,
            )
            session.add(course)
            await session.flush()
            return Offered(course.id, course_words.span(course), course_words.where(course))
    finally:
        await database.close()


async def _show_list(on: _Round, names: Sequence[str]) -> None:
    """Let everybody ask what there is, so that all know the same number.

    Raises:
        NotListed: it is another number.
    """
    await on.stage.greet(names)
    shown = on.told(await on.post(names, LIST, AT_ONCE_BEFORE))
    if not all(f"1. {TITLE}" in shown.get(name, "") for name in names):
        raise NotListed("the course is not number 1 of everybody's list")


async def _one_leaves(on: _Round, held: Held) -> dict[str, object]:
    """Give up one place and see who gets it and who is told."""
    gone, first = min(held.enrolled), held.waiting[0]
    texts = on.stage.platform.texts
    before = {name: len(texts(name)) for name in held.waiting}
    heard = on.stage.platform.subscribe(first)
    start = time.perf_counter()
    given_up = iter([on.stage.prepare_one(gone, GIVE_UP)])
    await on.stage.driver.closed(given_up, concurrency=1, seconds=TELL_SECONDS)
    with suppress(TimeoutError):
        await asyncio.wait_for(anext(heard), TELL_SECONDS)
    seconds = time.perf_counter() - start
    await on.stage.settle()
    after = on.held()
    news = {name: "".join(texts(name)[before[name] :]) for name in held.waiting}
    return {
        "booked": len(after.enrolled),
        "taken_as_the_course_says": after.taken,
        "first_who_waited_got_it": after.enrolled == held.enrolled - {gone} | {first},
        "others_wait_in_their_order": after.waiting == held.waiting[1:],
        "first_was_told": load_phrases().format(
            "course.moved_up", title=TITLE, span=on.course.span, where=on.course.where
        )
        in news[first],
        "told_after_seconds": round(seconds, 2),
        "others_told": sum(bool(said) for name, said in news.items() if name != first),
    }
