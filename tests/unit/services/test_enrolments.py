"""Places at a course: never more than there are, whoever comes at once; who waits moves up."""

import asyncio
import random
from datetime import timedelta

import pytest
from course_world import as_staff, make_course
from factories import NIGHT, District, make_contact, make_district
from sqlalchemy import func, select

from bot.core.errors import NotFound
from bot.db.engine import Database, make_engine
from bot.db.models import Contact, Course, Enrolment, Guardian, Job
from bot.services import consents, courses, enrolments
from bot.services.enrolments import SignedUp

SATURDAY = NIGHT + timedelta(days=6)


async def world(
    database: Database, *, people: int, **more: object
) -> tuple[District, int, list[int]]:
    """Add a course, and people who could come."""
    async with database.write() as session:
        place = await make_district(session, now=NIGHT)
        course = await make_course(
            session,
            place.school,
            starts=SATURDAY,
            now=NIGHT,
            **more,  # type: ignore[arg-type]
        )
        contacts = [
            await make_contact(session, now=NIGHT, place=place.class_) for _ in range(people)
        ]
    return place, course.id, [contact.id for contact in contacts]


async def sign_up(
    database: Database, course_id: int, contact_id: int, *, minutes: float = 0
) -> SignedUp:
    now = NIGHT + timedelta(minutes=minutes)
    async with database.write() as session:
        return await enrolments.sign_up(session, course_id, contact_id, now=now, since=now)


async def give_up(database: Database, course_id: int, contact_id: int) -> None:
    async with database.write() as session:
        await enrolments.give_up(session, course_id, contact_id, now=NIGHT + timedelta(hours=1))


async def counts(database: Database, course_id: int) -> tuple[int, dict[str, int]]:
    """Return the number taken as the course says it, and as the rows say it."""
    async with database.read() as session:
        taken = (await session.get_one(Course, course_id)).taken
        rows = await session.execute(
            select(Enrolment.state, func.count()).group_by(Enrolment.state)
        )
        return taken, {state: count for state, count in rows.all()}  # noqa: C416


async def test_fifty_at_once_for_the_last_five_places(
    database: Database, database_url: str
) -> None:
    """Each in a transaction of its own, over two processes' worth of connections."""
    _, course_id, people = await world(database, people=50, places=5)
    other = Database(make_engine(database_url, synchronous="NORMAL"))
    sides = [database, other]
    try:
        done = await asyncio.gather(
            *(sign_up(sides[one % 2], course_id, one_of) for one, one_of in enumerate(people))
        )
    finally:
        await other.close()
    states = [one.state for one in done]
    assert (states.count("enrolled"), states.count("waiting")) == (5, 45)
    assert await counts(database, course_id) == (5, {"enrolled": 5, "waiting": 45})
    assert sorted(one.before for one in done if one.state == "waiting") == list(range(45))


async def test_one_person_twice_at_once_has_one_place(database: Database) -> None:
    _, course_id, (person,) = await world(database, people=1, places=3)
    await asyncio.gather(*(sign_up(database, course_id, person) for _ in range(8)))
    assert await counts(database, course_id) == (1, {"enrolled": 1})


async def test_coming_and_going_at_once_keeps_the_count(database: Database) -> None:
    _, course_id, people = await world(database, people=12, places=4)
    order = random.Random(7)

    async def restless(person: int) -> None:
        for _ in range(3):
            await sign_up(database, course_id, person)
            if order.random() < 0.6:
                await give_up(database, course_id, person)

    await asyncio.gather(*(restless(person) for person in people))
    taken, rows = await counts(database, course_id)
    assert taken == rows.get("enrolled", 0) <= 4
    assert taken == 4 or not rows.get("waiting"), "nobody waits beside a free place"


async def test_the_waiting_list_moves_up_in_its_order_and_is_told_once(database: Database) -> None:
    _, course_id, people = await world(database, people=4, places=1)
    for minutes, person in enumerate(people):
        await sign_up(database, course_id, person, minutes=minutes)
    await give_up(database, course_id, people[1])
    await give_up(database, course_id, people[0])
    await give_up(database, course_id, people[0])
    async with database.read() as session:
        held = await session.scalars(
            select(Enrolment.contact_id).where(Enrolment.state == "enrolled")
        )
        assert held.all() == [people[2]], "the second one had given up waiting"
        jobs = (await session.scalars(select(Job).where(Job.kind == "courses.tell"))).all()
    assert [(job.payload["what"], job.payload["contact"]) for job in jobs] == [
        ("moved_up", people[2])
    ]
    assert (await sign_up(database, course_id, people[0], minutes=90)).before == 1


async def test_nobody_gets_in_front_of_who_was_told_their_number(database: Database) -> None:
    """Of two at once the handling of one began earlier, the other one had the lock first."""
    _, course_id, people = await world(database, people=4, places=1)
    for person, minutes in zip(people, (0, 2, 1, 2), strict=True):
        done = await sign_up(database, course_id, person, minutes=minutes)
        assert done.before == max(0, people.index(person) - 1)
    again = [await sign_up(database, course_id, one, minutes=3) for one in people[1:]]
    assert [one.before for one in again] == [0, 1, 2]


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"state": "closed"}, "over"),
        ({"closes": NIGHT - timedelta(minutes=1)}, "over"),
        ({"state": "cancelled"}, "gone"),
        ({"state": "draft"}, "gone"),
        ({"places": 1, "state": "closed"}, "over"),
    ],
)
async def test_what_is_over_takes_nobody(
    database: Database, more: dict[str, object], state: str
) -> None:
    _, course_id, (person,) = await world(database, people=1, **more)
    assert (await sign_up(database, course_id, person)).state == state
    assert await counts(database, course_id) == (0, {})


async def test_what_has_begun_takes_nobody_and_lets_nobody_move_up(database: Database) -> None:
    _, course_id, people = await world(database, people=3, places=1)
    for person in people[:2]:
        await sign_up(database, course_id, person)
    late = SATURDAY + timedelta(minutes=1)
    async with database.write() as session:
        done = await enrolments.sign_up(session, course_id, people[2], now=late, since=late)
        assert done.state == "gone"
        await enrolments.give_up(session, course_id, people[0], now=late)
    assert await counts(database, course_id) == (0, {"cancelled": 1, "waiting": 1})


async def test_no_such_course(database: Database) -> None:
    await world(database, people=0)
    with pytest.raises(NotFound):
        await sign_up(database, 99, 1)


async def test_one_person_on_two_channels_has_one_place(database: Database) -> None:
    _, course_id, people = await world(database, people=2, places=5)
    async with database.write() as session:
        guardian = Guardian(name="某家长", source="test", created_at=NIGHT)
        session.add(guardian)
        await session.flush()
        for number, person in enumerate(people):
            contact = await session.get_one(Contact, person)
            contact.guardian_id = guardian.id
            contact.channel = ("wechat", "dingtalk")[number]
    assert not (await sign_up(database, course_id, people[0])).again
    assert (await sign_up(database, course_id, people[1], minutes=5)).again
    async with database.read() as session:
        mine = await enrolments.mine(session, people[1], now=NIGHT)
    assert [one.state for one in mine] == ["enrolled"]
    await give_up(database, course_id, people[1])
    assert (await counts(database, course_id))[0] == 0


async def test_who_has_their_data_erased_leaves_the_places_to_others(database: Database) -> None:
    _, course_id, people = await world(database, people=2, places=1)
    for person in people:
        await sign_up(database, course_id, person)
    async with database.write() as session:
        await consents.erase(session, people[0], now=NIGHT)
    async with database.read() as session:
        states = await session.scalars(select(Enrolment.state).order_by(Enrolment.id))
        assert states.all() == ["cancelled", "enrolled"]


async def test_the_same_wish_handled_twice_is_told_as_new_twice(database: Database) -> None:
    _, course_id, (person,) = await world(database, people=1)
    received = NIGHT - timedelta(seconds=2)
    for _ in range(2):
        async with database.write() as session:
            done = await enrolments.sign_up(session, course_id, person, now=NIGHT, since=received)
        assert (done.state, done.again) == ("enrolled", False)
    assert (await sign_up(database, course_id, person, minutes=5)).again


async def test_a_family_is_offered_what_is_at_and_above_its_place_and_fits_first(
    database: Database,
) -> None:
    async with database.write() as session:
        place = await make_district(session, now=NIGHT)
        place.class_.stage = "C"
        parent = await make_contact(session, now=NIGHT, place=place.class_)
        stranger = await make_contact(session, now=NIGHT)
        offers = [
            ("别校", place.other_school, "", 1),
            ("初中", place.district, "E", 1),
            ("小学", place.school, "CD", 2),
            ("大家", place.district, "", 3),
            ("本班", place.class_, "C", 4),
        ]
        for title, home, stages, days in offers:
            starts = NIGHT + timedelta(days=days)
            await make_course(session, home, starts=starts, now=NIGHT, title=title, stages=stages)
        await make_course(session, place.school, starts=SATURDAY, now=NIGHT, state="closed")
    async with database.read() as session:
        mine = await courses.for_contact(session, parent.id, now=NIGHT)
        others = await courses.for_contact(session, stranger.id, now=NIGHT)
    assert [course.title for course in mine] == ["小学", "大家", "本班", "初中"]
    assert [course.title for course in others] == ["初中", "大家"]


async def test_the_same_role_of_another_school_changes_nothing(database: Database) -> None:
    place, course_id, _ = await world(database, people=0)
    other = as_staff("lead", place.other_school)
    with pytest.raises(NotFound):
        async with database.write() as session:
            await courses.set_state(
                session, other, course_id, state="cancelled", row_version=1, now=NIGHT
            )
    async with database.read() as session:
        assert (await session.get_one(Course, course_id)).state == "open"
