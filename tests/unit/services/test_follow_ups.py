"""Follow-ups: which are planned and when, and what a person may do with one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from factories import NIGHT, District, make_case, make_contact, make_district, make_staff, seen_as
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.phrases import load_alerts
from bot.db.engine import Database
from bot.db.models import Case, CaseEvent, Delivery, FollowUp, Job, StaffRole
from bot.services import follow_ups, reminders, workdays
from bot.services.alerts import AlertPolicy, AlertTarget
from bot.services.staff import StaffView

LATER = NIGHT + timedelta(hours=1)
POLICY = AlertPolicy([AlertTarget("s", "school")], load_alerts(), "https://x.example.cn/desk")


@dataclass
class Desk:
    """One accepted case of a school and its counselor."""

    session: AsyncSession
    home: District
    case: Case

    @property
    def me(self) -> StaffView:
        return self.home.as_counselor

    async def planned(self) -> dict[str, datetime]:
        rows = await follow_ups.of_case(self.session, self.case.id)
        return {row.kind: row.due_at for row in rows if row.state == "due"}

    async def one(self, kind: str) -> FollowUp:
        rows = await follow_ups.of_case(self.session, self.case.id)
        return next(row for row in rows if row.kind == kind and row.state == "due")

    async def jobs(self) -> list[Job]:
        query = select(Job).where(Job.kind == reminders.KIND, Job.state.in_(("sched", "ready")))
        return list(await self.session.scalars(query))

    async def run(self, job: Job, now: datetime) -> None:
        """Do one reminder and end its job, as the worker does."""
        job.state = "done"
        planned = reminders.Planned.of(job.payload)
        await reminders.remind(self.session, POLICY, planned, now=now)

    async def said(self) -> list[str]:
        query = select(CaseEvent.kind).where(CaseEvent.case_id == self.case.id)
        return list(await self.session.scalars(query.order_by(CaseEvent.id)))


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with database.write() as session:
        home = await make_district(session, now=NIGHT)
        contact = await make_contact(session, now=NIGHT)
        case = await make_case(session, contact, now=NIGHT, place=home.school, level="3")
        case.state, case.accepted_by, case.accepted_at = "accepted", home.counselor.id, NIGHT
        yield Desk(session, home, case)


async def test_what_level_3_asks_for(desk: Desk) -> None:
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT)
    found = await desk.planned()
    local = {kind: to_shanghai(due).strftime("%m-%d %H:%M") for kind, due in found.items()}
    assert local == {
        "24h": "11-23 23:40",
        "1w": "11-30 17:30",  # the 29th is a Sunday
        "1m": "12-22 17:30",
        "3m": "02-22 17:30",
        "6m": "05-24 17:30",  # the 22nd of May 2027 is a Saturday
    }
    rows = await follow_ups.of_case(desk.session, desk.case.id)
    assert {row.owner_id for row in rows} == {desk.me.id}
    assert len(await desk.jobs()) == 5, "a reminder for each"


async def test_level_2_asks_for_less_and_a_persons_judgement_counts(desk: Desk) -> None:
    desk.case.judged_level = "2"
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT)
    assert set(await desk.planned()) == {"1w", "1m"}
    desk.case.judged_level = "3"
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=LATER)
    assert set(await desk.planned()) == {"24h", "1w", "1m", "3m", "6m"}


@pytest.mark.parametrize("level", ["0", "1"])
async def test_what_is_below_2_is_not_followed_up(desk: Desk, level: str) -> None:
    desk.case.judged_level = level
    assert await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT) == []


async def test_planning_again_plans_nothing_twice(desk: Desk) -> None:
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT)
    first = await desk.one("24h")
    args = {"note": "家里安静，孩子去上学了", "now": LATER}
    await follow_ups.finish(desk.session, desk.me, desk.case, first.id, **args)  # type: ignore[arg-type]
    week = await desk.one("1w")
    args["note"] = "孩子已经住院，由医院随访"
    await follow_ups.call_off(desk.session, desk.me, desk.case, week.id, **args)  # type: ignore[arg-type]
    assert await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=LATER) == []
    assert set(await desk.planned()) == {"1m", "3m", "6m"}


async def test_a_new_danger_is_looked_after_anew(desk: Desk) -> None:
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT)
    first = await desk.one("24h")
    await follow_ups.finish(desk.session, desk.me, desk.case, first.id, note="打过电话", now=LATER)
    desk.case.raised_at = LATER + timedelta(days=2)
    again = await follow_ups.plan(
        desk.session, desk.case, by=desk.me.id, now=LATER + timedelta(days=2, hours=1)
    )
    assert [row.kind for row in again] == ["24h"]


async def test_a_judgement_before_the_last_danger_plans_nothing(desk: Desk) -> None:
    desk.case.judged_level, desk.case.judged_at = "1", NIGHT
    desk.case.raised_at = LATER
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=LATER)
    assert "24h" in await desk.planned()


@pytest.mark.parametrize("reason", ["false_alarm", "drill"])
async def test_what_was_no_danger_is_not_followed_up_any_more(desk: Desk, reason: str) -> None:
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT)
    desk.case.close_reason = reason
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=LATER)
    assert await desk.planned() == {}
    assert await desk.jobs() == []


async def test_a_drill_is_not_followed_up(desk: Desk) -> None:
    desk.case.drill = True
    assert await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT) == []


async def test_moving_needs_a_reason_and_a_day_ahead(desk: Desk) -> None:
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT)
    row = await desk.one("1w")

    async def move(day: date, note: str) -> None:
        await follow_ups.move(
            desk.session, desk.me, desk.case, row.id, day=day, note=note, now=LATER
        )

    for day, note in ((date(2026, 11, 1), "约好了"), (date(2028, 1, 1), "约好了")):
        with pytest.raises(InputInvalid, match="followup_day"):
            await move(day, note)
    with pytest.raises(InputInvalid, match="followup_note"):
        await move(date(2026, 12, 2), "  ")
    await move(date(2026, 12, 2), "家长出差")
    assert (await desk.planned())["1w"] == datetime(2026, 12, 2, 9, 30, tzinfo=UTC)
    await move(date(2026, 12, 3), "又改")
    await move(date(2026, 12, 2), "改回来")
    row = await desk.one("1w")
    assert row.note == "家长出差\n又改\n改回来"
    mine = [job for job in await desk.jobs() if job.payload["id"] == row.id]
    assert len(mine) == 1, "moved there and back, one reminder is planned"


async def test_what_is_over_stays_as_it_is(desk: Desk) -> None:
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT)
    row = await desk.one("24h")
    await follow_ups.finish(desk.session, desk.me, desk.case, row.id, note="好些了", now=LATER)
    for act in (follow_ups.finish, follow_ups.call_off):
        with pytest.raises(Conflict):
            await act(desk.session, desk.me, desk.case, row.id, note="再来一次", now=LATER)
    with pytest.raises(InputInvalid):
        await follow_ups.finish(
            desk.session, desk.me, desk.case, (await desk.one("1w")).id, note="", now=LATER
        )


async def test_nobody_from_elsewhere_touches_one(desk: Desk) -> None:
    await follow_ups.plan(desk.session, desk.case, by=desk.me.id, now=NIGHT)
    row = await desk.one("24h")
    person = await make_staff(desk.session, now=NIGHT)
    stranger = seen_as(person, counselor=(desk.home.other_school,))
    with pytest.raises(NotFound):
        await follow_ups.finish(desk.session, stranger, desk.case, row.id, note="好", now=LATER)
    with pytest.raises(InputInvalid, match="owner_unknown"):
        await follow_ups.give(
            desk.session, desk.me, desk.case, row.id, owner_id=person.id, now=LATER
        )
    role = StaffRole(staff_id=person.id, place_id=desk.home.school.id, role="counselor")
    desk.session.add(role)
    await desk.session.flush()
    await follow_ups.give(desk.session, desk.me, desk.case, row.id, owner_id=person.id, now=LATER)
    assert row.owner_id == person.id


async def test_an_own_day_once(desk: Desk) -> None:
    day = date(2026, 11, 27)
    await follow_ups.add(desk.session, desk.me, desk.case, day=day, now=NIGHT)
    assert set(await desk.planned()) == {"own"}
    with pytest.raises(Conflict):
        await follow_ups.add(desk.session, desk.me, desk.case, day=day, now=LATER)


async def test_reminded_in_the_morning_and_posted_once_a_day_while_overdue(desk: Desk) -> None:
    await follow_ups.add(desk.session, desk.me, desk.case, day=date(2026, 11, 27), now=NIGHT)
    (job,) = await desk.jobs()
    assert job.run_at == int(datetime(2026, 11, 27, 0, tzinfo=UTC).timestamp() * 1000)
    morning = datetime(2026, 11, 27, 0, tzinfo=UTC)
    await desk.run(job, morning)
    assert (await desk.said())[-1] == "reminded"
    (job,) = await desk.jobs()
    closes = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
    assert job.run_at == int(closes.timestamp() * 1000)
    await desk.run(job, closes)
    (job,) = await desk.jobs()
    await desk.run(job, closes + timedelta(hours=1))
    posted = list(await desk.session.scalars(select(Delivery)))
    assert len(posted) == 1, "one post a day and place"
    assert posted[0].case_id is None
    assert "desk/overdue" in posted[0].body
    (job,) = await desk.jobs()
    monday = datetime(2026, 11, 30, 0, 30, tzinfo=UTC)
    assert job.run_at == int(monday.timestamp() * 1000), "again on the next working day"
    await desk.run(job, monday)
    assert len(list(await desk.session.scalars(select(Delivery)))) == 2


async def test_no_other_schools_group_and_no_single_person_hears_of_what_is_overdue(
    desk: Desk,
) -> None:
    desk.home.school.scene = "school-1"
    ways = [
        AlertTarget("here", "school", home="school-1"),
        AlertTarget("there", "school", home="school-2"),
        AlertTarget("work", "class", personal="staff"),
        AlertTarget("spare", "school", spare=True),
    ]
    policy = AlertPolicy(ways, load_alerts(), "https://x.example.cn/desk")
    await follow_ups.add(desk.session, desk.me, desk.case, day=date(2026, 11, 27), now=NIGHT)
    (job,) = await desk.jobs()
    closes = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
    planned = reminders.Planned.of(job.payload)
    await reminders.remind(desk.session, policy, planned, now=closes)
    assert list(await desk.session.scalars(select(Delivery.target))) == ["here"]


async def test_the_reminder_of_a_day_that_was_moved_says_nothing(desk: Desk) -> None:
    row = await follow_ups.add(desk.session, desk.me, desk.case, day=date(2026, 11, 27), now=NIGHT)
    (old,) = await desk.jobs()
    day = date(2026, 12, 4)
    await follow_ups.move(desk.session, desk.me, desk.case, row.id, day=day, note="出差", now=LATER)
    said = await desk.said()
    await desk.run(old, datetime(2026, 11, 27, tzinfo=UTC))
    assert await desk.said() == said


@given(
    st.sampled_from(["24h", "1w", "1m", "3m", "6m"]),
    st.integers(0, 20 * 365 * 24).map(
        lambda hours: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    ),
)
def test_a_planned_day_is_worked_and_neither_early_nor_far_off(kind: str, moment: datetime) -> None:
    due = follow_ups.due_after(kind, moment)
    if kind == "24h":
        assert due - moment == timedelta(hours=24)
        return
    nominal = {"1w": 7, "1m": 28, "3m": 89, "6m": 181}[kind]
    days = (to_shanghai(due).date() - to_shanghai(moment).date()).days
    assert nominal <= days <= nominal + 3 + 12, "the month's days, and the longest break"
    assert workdays.is_workday(to_shanghai(due).date())
    assert reminders.remind_at(due) < due
