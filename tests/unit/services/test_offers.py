"""A case is offered to one person at a time, goes on by itself, and is hidden from nobody."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

import pytest
from factories import NIGHT, District, make_district
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.errors import Conflict, NotAllowed
from bot.db.engine import Database
from bot.db.models import Case, CaseEvent, CaseOffer, Contact, DeskEvent, Job, Presence, Staff
from bot.db.models.case import ACCEPTED, OPEN
from bot.db.models.desk import AWAY, DECLINED, EXPIRED, LEFT, OVER, READY, TAKEN
from bot.services import cases, desk, offers, presence, staff
from bot.services.staff import StaffView

LEVELS = ("3!", "3", "2")
_numbers = count(1)


@dataclass
class Room:
    """Three counselors of one school, and one of another; the clock stands where it is set."""

    town: District
    people: list[StaffView]
    other: StaffView
    cases: list[int] = field(default_factory=list)
    now: datetime = NIGHT


async def _counselor(session: AsyncSession, town: District, name: str, place_id: int) -> StaffView:
    person = Staff(
        login=name,
        name=f"{name}老师",
        password_hash="-",
        must_change_password=False,
        active=True,
        created_at=NIGHT,
    )
    session.add(person)
    await session.flush()
    await staff.grant(session, staff_id=person.id, place_id=place_id, role="counselor")
    return await staff.view(session, person, NIGHT)


@pytest.fixture
async def room(database: Database) -> Room:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        here = town.school.id
        people = [await _counselor(session, town, name, here) for name in ("one", "two", "three")]
        other = await _counselor(session, town, "other", town.other_school.id)
    return Room(town, people, other)


async def _open(
    session: AsyncSession, room: Room, level: str, *, ago: timedelta = timedelta(minutes=1)
) -> int:
    contact = Contact(
        channel="wechat",
        account="school1",
        external_id=f"parent-{next(_numbers)}",
        place_id=room.town.school.id,
        created_at=room.now,
    )
    session.add(contact)
    await session.flush()
    case = Case(
        contact_id=contact.id,
        place_id=room.town.school.id,
        level=level,
        family="self_harm",
        state=OPEN,
        opened_at=room.now - ago,
        raised_at=room.now - ago,
    )
    session.add(case)
    await session.flush()
    room.cases.append(case.id)
    return case.id


async def _work(database: Database, room: Room) -> None:
    """Do what the worker does: every job that is due, each in a transaction of its own."""
    while True:
        async with database.write() as session:
            job = await session.scalar(
                select(Job)
                .where(
                    Job.kind == offers.KIND,
                    Job.state.in_(("sched", "ready")),
                    Job.run_at <= epoch_ms(room.now),
                )
                .order_by(Job.run_at, Job.id)
                .limit(1)
            )
            if job is None:
                return
            job.state = "done"
            await offers.look(session, int(str(job.payload["offer"])), now=room.now)


async def _ends(database: Database) -> list[tuple[int, str]]:
    async with database.read() as session:
        rows = await session.execute(
            select(CaseOffer.staff_id, CaseOffer.ended_as).order_by(CaseOffer.id)
        )
        return [(row.staff_id, row.ended_as) for row in rows]


async def _come(database: Database, room: Room, *people: int) -> None:
    async with database.write() as session:
        for person in people:
            await presence.arrive(session, room.people[person], now=room.now)


async def test_the_most_urgent_is_offered_and_stays_in_everybodys_queue(
    database: Database, room: Room
) -> None:
    async with database.write() as session:
        two = await _open(session, room, "2", ago=timedelta(hours=3))
        red = await _open(session, room, "3!")
        made = await offers.take_next(session, room.people[0], now=room.now)
    assert made is not None
    assert (made.case_id, made.until) == (red, room.now + timedelta(seconds=30))
    async with database.write() as session:
        again = await offers.take_next(session, room.people[0], now=room.now)
        second = await offers.take_next(session, room.people[1], now=room.now)
        third = await offers.take_next(session, room.people[2], now=room.now)
    assert again == made
    assert second is not None
    assert (second.case_id, third) == (two, None)
    async with database.read() as session:
        for person in room.people:
            queue = await desk.queue(session, person, now=room.now)
            assert [row.case_id for row in queue.open] == [red, two]
            assert [row.offer and row.offer.name for row in queue.open] == ["one老师", "two老师"]
        assert (await desk.queue(session, room.other, now=room.now)).open == ()


async def test_who_does_not_answer_is_away_and_the_next_is_asked(
    database: Database, room: Room
) -> None:
    await _come(database, room, 1)
    async with database.write() as session:
        case_id = await _open(session, room, "3!")
        await offers.take_next(session, room.people[0], now=room.now)
    room.now += timedelta(seconds=30)
    await _work(database, room)
    one, two = room.people[0].id, room.people[1].id
    assert await _ends(database) == [(one, EXPIRED), (two, "")]
    async with database.read() as session:
        row = await presence.of(session, one)
        running = await offers.running(session, [case_id], now=room.now)
    assert row is not None
    assert row.state == AWAY
    assert running[case_id].staff_id == two
    room.now += timedelta(seconds=30)
    await _work(database, room)
    assert await _ends(database) == [(one, EXPIRED), (two, EXPIRED)]
    async with database.read() as session:
        queue = await desk.queue(session, room.people[2], now=room.now)
    assert [(row.case_id, row.offer) for row in queue.open] == [(case_id, None)]


async def test_a_closed_browser_ends_the_offer_before_its_time(
    database: Database, room: Room
) -> None:
    async with database.write() as session:
        await _open(session, room, "2")
        await offers.take_next(session, room.people[0], now=room.now)
    room.now += timedelta(seconds=60)
    await _come(database, room, 1)
    room.now += timedelta(seconds=30)
    await _work(database, room)
    assert await _ends(database) == [(room.people[0].id, LEFT), (room.people[1].id, "")]


async def test_a_page_that_is_open_keeps_the_offer(database: Database, room: Room) -> None:
    async with database.write() as session:
        await _open(session, room, "2")
        await offers.take_next(session, room.people[0], now=room.now)
    for _ in range(5):
        room.now += timedelta(seconds=20)
        async with database.write() as session:
            await presence.seen(session, room.people[0].id, now=room.now)
        await _work(database, room)
        assert await _ends(database) == [(room.people[0].id, "")]
    room.now += timedelta(seconds=20)
    await _work(database, room)
    assert await _ends(database) == [(room.people[0].id, EXPIRED)]


async def test_letting_go_and_going_away_pass_it_on(database: Database, room: Room) -> None:
    await _come(database, room, 1, 2)
    one, two, three = (person.id for person in room.people)
    async with database.write() as session:
        await _open(session, room, "3")
        made = await offers.take_next(session, room.people[0], now=room.now)
        assert made is not None
        await offers.decline(session, room.people[0], made.offer_id, now=room.now)
    async with database.write() as session:
        with pytest.raises(Conflict):
            await offers.decline(session, room.people[0], made.offer_id, now=room.now)
        with pytest.raises(Conflict):
            await offers.decline(session, room.people[2], made.offer_id + 1, now=room.now)
        await offers.leave(session, room.people[1], now=room.now)
    assert await _ends(database) == [(one, DECLINED), (two, LEFT), (three, "")]
    async with database.write() as session:
        # Asked once more by themselves, they get it again: nobody else is left.
        last = await offers.of_person(session, three, now=room.now)
        assert last is not None
        await offers.decline(session, room.people[2], last.offer_id, now=room.now)
        again = await offers.take_next(session, room.people[0], now=room.now)
    assert again is not None
    async with database.read() as session:
        kinds = await session.scalars(select(CaseEvent.kind).order_by(CaseEvent.id))
        assert list(kinds) == ["offered", "offer_ended"] * 3 + ["offered"]


async def test_anybody_may_accept_what_is_offered_to_another(
    database: Database, room: Room
) -> None:
    async with database.write() as session:
        first = await _open(session, room, "3!")
        await offers.take_next(session, room.people[0], now=room.now)
    async with database.write() as session:
        await cases.accept(session, room.people[1], first, now=room.now)
    async with database.write() as session:
        second = await _open(session, room, "3!")
        await offers.take_next(session, room.people[0], now=room.now)
        await cases.accept(session, room.people[0], second, now=room.now)
    one = room.people[0].id
    assert await _ends(database) == [(one, OVER), (one, TAKEN)]
    room.now += timedelta(minutes=5)
    await _work(database, room)
    assert await _ends(database) == [(one, OVER), (one, TAKEN)]


async def test_nobody_of_another_school_is_asked(database: Database, room: Room) -> None:
    async with database.write() as session:
        await _open(session, room, "3!")
        await presence.arrive(session, room.other, now=room.now)
        assert await offers.take_next(session, room.other, now=room.now) is None
        made = await offers.take_next(session, room.people[0], now=room.now)
        assert made is not None
        await offers.decline(session, room.people[0], made.offer_id, now=room.now)
    assert await _ends(database) == [(room.people[0].id, DECLINED)]
    nobody = StaffView(99, "x", "某", False, {"teacher": frozenset({room.town.class_.id})})
    async with database.write() as session:
        with pytest.raises(NotAllowed):
            await offers.take_next(session, nobody, now=room.now)


async def test_the_least_busy_is_asked_first(database: Database, room: Room) -> None:
    await _come(database, room, 1, 2)
    async with database.write() as session:
        busy = await _open(session, room, "2")
        await cases.accept(session, room.people[1], busy, now=room.now)
        await _open(session, room, "3")
        made = await offers.take_next(session, room.people[0], now=room.now)
        assert made is not None
        await offers.decline(session, room.people[0], made.offer_id, now=room.now)
    assert (await _ends(database))[-1] == (room.people[2].id, "")


async def test_a_raised_case_is_offered_to_all_anew(database: Database, room: Room) -> None:
    async with database.write() as session:
        case_id = await _open(session, room, "3")
        made = await offers.take_next(session, room.people[0], now=room.now)
        assert made is not None
        await offers.decline(session, room.people[0], made.offer_id, now=room.now)
        newer = await _open(session, room, "3", ago=timedelta(0))
        other = await offers.take_next(session, room.people[0], now=room.now)
        assert other is not None
        assert other.case_id == newer
        await offers.decline(session, room.people[0], other.offer_id, now=room.now)
        room.now += timedelta(seconds=1)
        await session.execute(
            update(Case).where(Case.id == case_id).values(level="3!", raised_at=room.now)
        )
        raised = await offers.take_next(session, room.people[0], now=room.now)
    assert raised is not None
    assert raised.case_id == case_id


async def test_presence_needs_no_stored_clock(database: Database, room: Room) -> None:
    """A moment before the last sign of life (a clock set back) takes nothing away."""
    me = room.people[0].id
    async with database.write() as session:
        await presence.arrive(session, room.people[0], now=room.now)
        await presence.seen(session, me, now=room.now - timedelta(hours=1))
        row = await presence.of(session, me)
        assert row is not None
        assert presence.here(row, room.now)
        assert not presence.here(row, room.now + presence.AWAY_AFTER)
        assert set(await presence.ready(session, room.now)) == {me}
        person = await session.get_one(Staff, me)
        person.active = False
        await session.flush()
        assert await presence.ready(session, room.now) == {}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.sampled_from(LEVELS)),
        st.tuples(st.sampled_from(("next", "decline", "leave", "seen")), st.integers(0, 2)),
        st.tuples(st.just("accept"), st.tuples(st.integers(0, 2), st.integers(0, 5))),
        st.tuples(st.just("wait"), st.integers(1, 100)),
        st.tuples(st.just("work"), st.none()),
    ),
    max_size=25,
)


async def _step(database: Database, room: Room, what: str, how: object) -> None:
    if what == "work":
        return await _work(database, room)
    async with database.write() as session:
        if what == "open":
            await _open(session, room, str(how))
        elif what == "wait":
            assert isinstance(how, int)
            room.now += timedelta(seconds=how)
        elif what == "accept":
            assert isinstance(how, tuple)
            if room.cases:
                case_id = room.cases[how[1] % len(room.cases)]
                case = await session.get_one(Case, case_id, populate_existing=True)
                if case.state == OPEN:
                    await cases.accept(session, room.people[how[0]], case_id, now=room.now)
        else:
            assert isinstance(how, int)
            await _act(session, room, what, room.people[how])


async def _act(session: AsyncSession, room: Room, what: str, person: StaffView) -> None:
    if what == "next":
        for offer_id in await offers.stale(session, now=room.now):
            await offers.look(session, offer_id, now=room.now)
        await offers.take_next(session, person, now=room.now)
    elif what == "leave":
        await offers.leave(session, person, now=room.now)
    elif what == "seen":
        await presence.seen(session, person.id, now=room.now)
    else:
        mine = await offers.of_person(session, person.id, now=room.now)
        if mine is not None:
            await offers.decline(session, person, mine.offer_id, now=room.now)


async def _check(database: Database, room: Room) -> None:
    async with database.read() as session:
        rows = list(await session.scalars(select(CaseOffer).where(CaseOffer.ended_at.is_(None))))
        by_id = {case.id: case for case in await session.scalars(select(Case))}
        waiting = {case_id for case_id, case in by_id.items() if case.state == OPEN}
        assert len({row.case_id for row in rows}) == len(rows), "two offers of one case"
        assert len({row.staff_id for row in rows}) == len(rows), "two offers to one person"
        assert {row.case_id for row in rows} <= waiting
        for person in room.people:
            queue = await desk.queue(session, person, now=room.now)
            assert {row.case_id for row in queue.open} == waiting, "something is hidden"
            mine = await offers.of_person(session, person.id, now=room.now)
            shown = {row.offer.staff_id for row in queue.open if row.offer}
            assert (mine is not None) == (person.id in shown)
        for case in by_id.values():
            assert case.state == OPEN or case.accepted_by is not None


@given(STEPS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_happens_nothing_is_hidden_and_nobody_asked_twice_at_once(
    database: Database, room: Room, steps: list[tuple[str, object]]
) -> None:
    room.cases, room.now = [], NIGHT
    async with database.write() as session:
        for table in (CaseOffer, CaseEvent, DeskEvent, Job, Presence, Case):
            await session.execute(delete(table))
    for what, how in steps:
        await _step(database, room, what, how)
        await _check(database, room)
    # Left alone, every offer ends: no case waits for somebody who is not there.
    for _ in range(8):
        room.now += timedelta(seconds=120)
        await _work(database, room)
        await _check(database, room)
    async with database.read() as session:
        left = await session.scalars(select(CaseOffer).where(CaseOffer.ended_at.is_(None)))
        assert list(left) == []
        accepted = await session.scalars(select(Case.id).where(Case.state == ACCEPTED))
        ended = await session.execute(select(CaseOffer.case_id, CaseOffer.ended_as))
        taken = {row.case_id for row in ended if row.ended_as == TAKEN}
        assert taken <= set(accepted)


def test_the_words_of_the_table_are_those_of_the_code() -> None:
    assert {READY, AWAY} == {"ready", "away"}
    assert offers.lasts("3!") < offers.lasts("3") < offers.lasts("2") == offers.lasts("1")
