"""A report that waits for its second person: who is told, when, how often, and when nobody is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from factories import NIGHT, District, make_case, make_contact, make_district, make_shift
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.phrases import load_alerts
from bot.db.engine import Database
from bot.db.models import Case, CaseEvent, Delivery, Job, PushSubscription, Report, StaffRole
from bot.services import report_reminders, reports
from bot.services.alerts import AlertPolicy, AlertTarget
from bot.services.staff import StaffView

LATER = NIGHT + report_reminders.AFTER
WAYS = [
    AlertTarget("c", "class"),
    AlertTarget("s", "school"),
    AlertTarget("d", "district"),
    AlertTarget("ding", "school", loud=True),
    AlertTarget("push", "school", personal="push"),
]
POLICY = AlertPolicy(WAYS, load_alerts(), "https://x.example.cn/desk")


@dataclass
class Desk:
    """A case of abuse of a school, and who is on duty there."""

    session: AsyncSession
    home: District
    case: Case

    @property
    def me(self) -> StaffView:
        return self.home.as_counselor

    async def decide(self) -> Report:
        return await reports.decide(
            self.session, self.me, self.case, addressee="police", basis="minor_law_11", now=NIGHT
        )

    async def job(self) -> Job:
        rows = await self.session.scalars(select(Job).where(Job.kind == report_reminders.KIND))
        return rows.one()

    async def remind(self, report: Report) -> list[Delivery]:
        await report_reminders.remind(self.session, POLICY, report.id, now=LATER)
        return list(await self.session.scalars(select(Delivery).order_by(Delivery.id)))


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with database.write() as session:
        home = await make_district(session, now=NIGHT)
        contact = await make_contact(session, now=NIGHT)
        contact.name = "张三妈妈"
        case = await make_case(session, contact, now=NIGHT, place=home.school, level="3")
        case.family = "abuse"
        for person in (home.counselor, home.district_counselor):
            await make_shift(session, home.school, person, start=NIGHT)
            row = StaffRole(staff_id=person.id, place_id=home.school.id, role="counselor")
            session.add(row)
            session.add(
                PushSubscription(
                    staff_id=person.id,
                    address=f"https://push.example.cn/{person.id}",
                    digest=f"{person.id}",
                    keys="{}",
                    made_at=NIGHT,
                )
            )
        await session.flush()
        yield Desk(session, home, case)


async def test_five_minutes_before_it_is_due_those_who_may_agree_are_told_once(desk: Desk) -> None:
    report = await desk.decide()
    job = await desk.job()
    assert job.run_at == epoch_ms(LATER)
    assert reports.due_at(desk.case, report) - timedelta(minutes=5) == LATER
    assert job.payload == {"report": report.id}
    rows = await desk.remind(report)
    # No class is told, nobody is rung up, and whoever decided can't agree.
    assert [(row.target, row.staff_id) for row in rows] == [
        ("s", None),
        ("d", None),
        ("push", desk.home.district_counselor.id),
    ]
    assert all("有一个报告等第二个人复核" in row.body for row in rows)
    assert rows[0].body.endswith("https://x.example.cn/desk/reports")
    assert "http" not in rows[2].body
    assert not any(word in row.body for row in rows for word in ("张三", "公安", "虐待", "三级"))
    step = await desk.session.scalar(select(CaseEvent).where(CaseEvent.kind == "report_reminded"))
    assert step is not None
    assert step.data == {"report": report.id, "n": 3}


async def test_a_call_that_was_made_at_once_still_waits_for_the_second(desk: Desk) -> None:
    report = await desk.decide()
    made = reports.Made("我是老师，依法报告。", early="danger")
    await reports.make(desk.session, desk.me, report.id, made, now=NIGHT)
    assert (await desk.job()).state == "sched"
    assert await desk.remind(report)


async def test_a_decision_against_a_report_is_looked_at_too(desk: Desk) -> None:
    report = await reports.decide_not(
        desk.session, desk.me, desk.case, basis="minor_law_11", reason="已核实是同名", now=NIGHT
    )
    assert await desk.remind(report)


async def test_agreeing_calls_it_off(desk: Desk) -> None:
    report = await desk.decide()
    await reports.agree(desk.session, desk.home.as_district, report.id, now=NIGHT)
    assert (await desk.job()).state == "cancelled"
    assert await desk.remind(report) == []


async def test_taking_it_back_calls_it_off(desk: Desk) -> None:
    report = await desk.decide()
    await reports.withdraw(desk.session, desk.me, report.id, "另一所学校已经报告", now=NIGHT)
    assert (await desk.job()).state == "cancelled"
    assert await desk.remind(report) == []


async def test_a_drill_says_so(desk: Desk) -> None:
    desk.case.drill = True
    await desk.session.flush()
    rows = await desk.remind(await desk.decide())
    assert rows
    assert all("演练" in row.body for row in rows)


async def test_what_is_gone_is_nobodys_trouble(desk: Desk) -> None:
    await report_reminders.remind(desk.session, POLICY, 10**6, now=LATER)
    assert (await desk.session.scalars(select(Delivery))).all() == []
