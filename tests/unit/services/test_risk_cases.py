"""What marking keeps, what a rule set has to do for it, and what an erasure leaves."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.levels import LEVELS, rank
from bot.db.engine import Database
from bot.db.models import Assessment, Case, Contact, Message, Place, RuleCase, Staff
from bot.services import consents, places, risk_case_lists, risk_case_runs, risk_cases
from bot.services.risk_cases import Judgement
from bot.services.staff import StaffView
from knowledge.risk import Context, Level, assess, default_rules
from knowledge.risk.loading import CATEGORIES
from knowledge.risk.regression import Case as Row

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
NOBODY = Judgement("0", "NONE")


@dataclass
class Desk:
    """A school with a counselor and a lead, one parent and their open case."""

    database: Database
    school: Place
    counselor: StaffView
    lead: StaffView
    contact_id: int
    case_id: int

    @property
    def second(self) -> StaffView:
        """Return the lead as a counselor besides, who may work on cases."""
        return replace(self.lead, places={**self.lead.places, **self.counselor.places})

    async def says(self, text: str, level: str, *, ago: timedelta = timedelta()) -> int:
        """Store a message with the level that the screen gave it by itself."""
        async with self.database.write() as session:
            message = Message(
                channel="wechat",
                account="demo",
                platform_id=f"{text}{ago}",
                contact_id=self.contact_id,
                kind="text",
                text=text,
                media_id="",
                sent_at=NOW - ago,
                received_at=NOW - ago,
                level=level,
            )
            session.add(message)
            await session.flush()
            session.add(
                Assessment(
                    message_id=message.id,
                    contact_id=self.contact_id,
                    level=level,
                    fresh_level=level,
                    categories=["SI-P"] if rank(level) else [],
                    spans=[],
                    reasons=[],
                    rule_ids=["a.rule"] if rank(level) else [],
                    rule_version="v1",
                    created_at=NOW - ago,
                )
            )
            return message.id

    async def mark(
        self, message_id: int, judgement: Judgement = NOBODY, *, by: StaffView | None = None
    ) -> int:
        """Mark a message."""
        async with self.database.write() as session:
            row = await risk_cases.mark(
                session,
                by or self.counselor,
                await session.get_one(Case, self.case_id),
                message_id=message_id,
                judgement=judgement,
                now=NOW,
            )
            return row.id

    async def agree(self, rule_case_id: int) -> None:
        """Agree as the lead."""
        async with self.database.write() as session:
            await risk_cases.decide(session, self.lead, rule_case_id, agree=True, now=NOW)

    async def row(self, rule_case_id: int) -> RuleCase:
        """Return a stored case."""
        async with self.database.read() as session:
            return await session.get_one(RuleCase, rule_case_id)

    async def regression(self) -> list[Row]:
        """Return the cases that a rule set has to pass."""
        async with self.database.read() as session:
            return await risk_case_runs.regression_cases(session)


@pytest.fixture
async def desk(database: Database) -> Desk:
    """The school in an empty database."""
    async with database.write() as session:
        district = await places.add(session, kind="district", name="区", parent=None)
        school = await places.add(session, kind="school", name="校", parent=district)
        people = [
            Staff(
                login=login,
                name=login,
                password_hash="x",
                must_change_password=False,
                active=True,
                created_at=NOW,
            )
            for login in ("counselor", "lead")
        ]
        session.add_all(people)
        contact = Contact(
            channel="wechat",
            account="demo",
            external_id="p",
            place_id=school.id,
            who="PC",
            created_at=NOW,
        )
        session.add(contact)
        await session.flush()
        case = Case(
            contact_id=contact.id,
            place_id=school.id,
            level="3",
            family="self_harm",
            opened_at=NOW,
            raised_at=NOW,
        )
        session.add(case)
        await session.flush()
        views = [
            StaffView(one.id, one.login, one.name, False, {one.login: frozenset({school.id})})
            for one in people
        ]
        return Desk(database, school, views[0], views[1], contact.id, case.id)


async def test_who_speaks_and_what_was_said_before_come_with_it(desk: Desk) -> None:
    await desk.says("前天的话", "0", ago=timedelta(hours=30))
    await desk.says("早上的话", "1", ago=timedelta(hours=5))
    await desk.says("危险的话", "3", ago=timedelta(hours=4))
    await desk.says("", "0", ago=timedelta(hours=3))
    await desk.says("刚才的话", "0", ago=timedelta(minutes=5))
    message = await desk.says("这句话", "2")
    row = await desk.row(await desk.mark(message, Judgement("1", "DIS")))
    assert (row.kind, row.who, row.turns) == ("false_alarm", "PC", ["早上的话", "刚才的话"])
    assert (row.found_level, row.found_category, row.rule_ids) == ("2", "SI-P", ["a.rule"])
    row = await desk.row(await desk.mark(message, Judgement("3!", "DIS")))
    assert row.kind == "missed"
    assert row.turns == ["早上的话", "危险的话", "刚才的话"]


async def test_what_a_person_closed_is_not_taken_along(desk: Desk) -> None:
    await desk.says("结案前的话", "0", ago=timedelta(hours=2))
    async with desk.database.write() as session:
        case = await session.get_one(Case, desk.case_id)
        case.state, case.closed_at = "closed", NOW - timedelta(hours=1)
    message = await desk.says("这句话", "2")
    assert (await desk.row(await desk.mark(message))).turns == []


async def test_only_agreed_cases_with_words_bind_the_rules(desk: Desk) -> None:
    ids = [await desk.mark(await desk.says(f"第{n}句", "2")) for n in range(3)]
    await desk.agree(ids[0])
    async with desk.database.write() as session:
        await risk_cases.decide(session, desk.lead, ids[1], agree=False, now=NOW)
    assert [case.id for case in await desk.regression()] == [f"case-{ids[0]}"]


async def test_a_miss_must_be_reached_and_a_false_alarm_not_be_passed(desk: Desk) -> None:
    alarm = await desk.mark(await desk.says("误报的话", "3"), Judgement("1", "DIS"))
    miss = await desk.mark(await desk.says("漏报的话", "0"), Judgement("3", "SI-P"))
    async with desk.database.write() as session:
        written = await risk_cases.write(
            session,
            desk.counselor,
            text="自己写的话",
            context=Context(who="T"),
            found=assess("自己写的话"),
            judgement=Judgement("2", "DIS"),
            now=NOW,
        )
    for one in (alarm, miss, written.id):
        await desk.agree(one)
    bounds = [(case.least, case.most) for case in await desk.regression()]
    assert bounds == [
        (Level.NONE, Level.WATCH),
        (Level.HIGH, None),
        (Level.FOCUS, Level.FOCUS),
    ]


def test_a_run_names_what_the_rules_get_wrong() -> None:
    ledge = "孩子站在阳台上不肯下来，说不想活了"
    done = risk_case_runs.run(
        [
            Row("ok-miss", ledge, "PC", least=Level.HIGH),
            Row("bad-alarm", ledge, "PC", most=Level.FOCUS),
            Row("bad-miss", "老师好", "PC", least=Level.WATCH),
            Row("turns", "好的", "PC", turns=(ledge,), least=Level.HIGH),
        ],
        default_rules(),
    )
    assert (done.cases, done.passed, done.failed) == (4, 2, ("bad-alarm", "bad-miss"))
    assert done.version == default_rules().judged_by
    assert risk_case_runs.run([], default_rules()).passed == 0


def test_only_what_the_rules_in_force_get_right_binds_others() -> None:
    good, bad = (
        Row("good", "孩子说想自杀", least=Level.HIGH),
        Row("bad", "老师好", least=Level.HIGH),
    )
    assert risk_case_runs.binding([good, bad], default_rules()) == [good]


async def test_an_erasure_takes_the_words_and_leaves_the_counts(desk: Desk) -> None:
    message = await desk.says("很危险的话", "3")
    kept = await desk.mark(message, Judgement("1", "DIS", "里面有原话"))
    await desk.agree(kept)
    async with desk.database.write() as session:
        await consents.erase(session, desk.contact_id, now=NOW + timedelta(hours=1))
    row = await desk.row(kept)
    assert (row.text, row.turns, row.note) == ("", [], "")
    assert (row.state, row.expected_level, row.found_level) == ("agreed", "1", "3")
    assert row.erased_at is not None
    assert await desk.regression() == []
    async with desk.database.read() as session:
        # the message itself has to stay: it is of level 3
        assert (await session.get_one(Message, message)).text == "很危险的话"
        found = await risk_case_lists.figures(session, desk.lead)
    assert [(one.kind, one.category, one.level, one.count) for one in found] == [
        ("false_alarm", "SI-P", "3", 1)
    ]
    with pytest.raises(Conflict, match="erased"):
        await desk.mark(message, Judgement("0", "NONE"))


async def test_what_waits_for_a_decision_can_t_be_agreed_after_an_erasure(desk: Desk) -> None:
    kept = await desk.mark(await desk.says("话", "2"))
    async with desk.database.write() as session:
        await consents.erase(session, desk.contact_id, now=NOW)
    with pytest.raises(Conflict, match="erased"):
        await desk.agree(kept)


async def test_words_kept_by_law_are_not_copied_after_an_erasure(desk: Desk) -> None:
    message = await desk.says("很危险的话", "3")
    async with desk.database.write() as session:
        await consents.give(session, desk.contact_id, consents.KINDS, now=NOW)
        await consents.erase(session, desk.contact_id, now=NOW + timedelta(minutes=1))
    with pytest.raises(Conflict, match="erased"):
        await desk.mark(message)


async def test_another_persons_erasure_changes_nothing(desk: Desk) -> None:
    kept = await desk.mark(await desk.says("话", "2"))
    async with desk.database.write() as session:
        other = Contact(channel="wechat", account="demo", external_id="q", created_at=NOW)
        session.add(other)
        await session.flush()
        await consents.erase(session, other.id, now=NOW)
    assert (await desk.row(kept)).text == "话"


async def test_a_failed_screen_is_no_fault_of_the_rules(desk: Desk) -> None:
    message = await desk.says("话", "3")
    async with desk.database.write() as session:
        judged = await session.scalar(select(Assessment).where(Assessment.message_id == message))
        assert judged is not None
        judged.failed = True
    with pytest.raises(NotFound):
        await desk.mark(message)


async def test_a_new_judgement_asks_the_second_person_again(desk: Desk) -> None:
    message = await desk.says("话", "3")
    kept = await desk.mark(message)
    await desk.agree(kept)
    assert await desk.mark(message, Judgement("2", "DIS"), by=desk.second) == kept
    row = await desk.row(kept)
    assert (row.state, row.decided_by, row.staff_id) == ("new", None, desk.lead.id)
    with pytest.raises(Conflict, match="own"):
        await desk.agree(kept)


async def test_a_counselor_can_t_decide(desk: Desk) -> None:
    kept = await desk.mark(await desk.says("话", "3"), by=desk.second)
    async with desk.database.write() as session:
        with pytest.raises(NotFound):
            await risk_cases.decide(session, desk.counselor, kept, agree=True, now=NOW)


@given(st.text(max_size=3), st.text(max_size=6), st.text(max_size=20))
def test_only_codes_make_a_judgement(level: str, category: str, note: str) -> None:
    form = {"level": level, "category": category, "note": note}
    judgement = Judgement.of(form)
    if level in LEVELS and judgement.category in CATEGORIES - {"NONE"}:
        judgement.check()
    elif level != "0" or judgement.category != "NONE":
        with pytest.raises(InputInvalid):
            judgement.check()
