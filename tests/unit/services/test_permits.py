"""Leave to read a minor's record: who asks, who gives it, when it ends, what is written down."""

from datetime import UTC, datetime, timedelta

import pytest
from factories import make_case, make_contact, make_delivery, make_message, make_staff
from sqlalchemy import select

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.db.engine import Database
from bot.db.models import (
    Alarm,
    Assessment,
    AuditEntry,
    Case,
    Child,
    Contact,
    Guardian,
    Guardianship,
    Place,
    ReadPermit,
    StaffRole,
)
from bot.services import dossier, minor_record, permits, places, staff
from bot.services.staff import StaffView

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
DAY = timedelta(days=1)
WHY = "家长来校，要核对当时的情况"
PEOPLE = {
    "asker": ("counselor", "one"),
    "lead": ("lead", "one"),
    "other_lead": ("lead", "two"),
    "other_counselor": ("counselor", "two"),
    "district": ("district", "district"),
    "admin": ("admin", "one"),
    "teacher": ("teacher", "class"),
    "bureau": ("bureau", "district"),
}


class World:
    """A district with two schools, a class with a child, a case, and people of every kind."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.places: dict[str, Place] = {}
        self.ids: dict[str, int] = {}
        self.child = 0
        self.case = 0

    async def view(self, name: str, now: datetime = NOW) -> StaffView:
        """Return somebody with the rights of a moment."""
        async with self.database.read() as session:
            person = await staff.by_login(session, name)
            return await staff.view(session, person, now)

    async def ask(self, by: str = "asker", kind: str = "child", now: datetime = NOW) -> int:
        """Ask to read the child's record or the case."""
        seen = await self.view(by, now)
        object_id = self.child if kind == "child" else self.case
        async with self.database.write() as session:
            row = await permits.ask(
                session, seen, kind=kind, object_id=object_id, reason=WHY, now=now
            )
            return row.id

    async def approve(
        self, permit_id: int, by: str = "lead", hours: int = 4, now: datetime = NOW
    ) -> None:
        """Give leave."""
        seen = await self.view(by, now)
        async with self.database.write() as session:
            await permits.approve(session, seen, permit_id, hours=hours, now=now)

    async def break_glass(self, by: str = "asker", kind: str = "child") -> int:
        """Read at once."""
        seen = await self.view(by)
        object_id = self.child if kind == "child" else self.case
        async with self.database.write() as session:
            row = await permits.break_glass(
                session, seen, kind=kind, object_id=object_id, reason=WHY, now=NOW, policy=None
            )
            return row.id

    async def may_read(self, by: str = "asker", kind: str = "child", now: datetime = NOW) -> bool:
        """Say whether somebody may read now."""
        seen = await self.view(by, now)
        object_id = self.child if kind == "child" else self.case
        async with self.database.read() as session:
            return await permits.may_read(session, seen, kind, object_id, now) is not None

    async def permit(self, permit_id: int) -> ReadPermit:
        """Return a stored permit."""
        async with self.database.read() as session:
            return await session.get_one(ReadPermit, permit_id)

    async def entries(self, action: str) -> list[AuditEntry]:
        """Return what the audit trail holds of an action."""
        async with self.database.read() as session:
            query = select(AuditEntry).where(AuditEntry.action == action)
            return list(await session.scalars(query))


@pytest.fixture
async def world(database: Database) -> World:
    """The world of these tests."""
    made = World(database)
    async with database.write() as session:
        district = await places.add(session, kind="district", name="区", parent=None)
        one = await places.add(session, kind="school", name="一", parent=district)
        two = await places.add(session, kind="school", name="二", parent=district)
        class_ = await places.add(session, kind="class", name="班", parent=one)
        made.places = {"district": district, "one": one, "two": two, "class": class_}
        for login, (role, place) in PEOPLE.items():
            person = await make_staff(session, now=NOW, login=login.replace("_", "-"))
            place_id = made.places[place].id
            await staff.grant(session, staff_id=person.id, place_id=place_id, role=role)
        child = Child(place_id=class_.id, name="小满", name_key="k", source="hand", created_at=NOW)
        contact = await make_contact(session, now=NOW, place=class_)
        case = Case(
            contact_id=contact.id,
            place_id=one.id,
            level="2",
            family="self_harm",
            subject="child",
            speaker="parent_about_child",
            opened_at=NOW,
            raised_at=NOW,
        )
        session.add_all([child, case])
        await session.flush()
        made.child, made.case = child.id, case.id
    return made


async def test_nothing_is_read_before_a_second_person_says_yes(world: World) -> None:
    permit_id = await world.ask()
    assert await world.ask() == permit_id
    assert not await world.may_read()
    await world.approve(permit_id)
    assert await world.may_read()
    assert not await world.may_read(kind="case")
    assert not await world.may_read("lead")
    assert await world.may_read(now=NOW + timedelta(hours=4) - timedelta(seconds=1))
    assert not await world.may_read(now=NOW + timedelta(hours=4))


@pytest.mark.parametrize("by", ["other-counselor", "teacher", "bureau", "admin"])
async def test_who_has_no_right_there_can_not_even_ask(world: World, by: str) -> None:
    with pytest.raises(NotFound):
        await world.ask(by)


async def test_out_of_reach_and_missing_are_the_same(world: World) -> None:
    seen = await world.view("asker")
    for kind, object_id in (("child", 999), ("contact", 1), ("", 0)):
        async with world.database.write() as session:
            with pytest.raises(NotFound):
                await permits.ask(
                    session, seen, kind=kind, object_id=object_id, reason=WHY, now=NOW
                )


@pytest.mark.parametrize("reason", ["", "   ", "看看", "长" * 501])
async def test_a_reason_has_to_say_something(world: World, reason: str) -> None:
    seen = await world.view("asker")
    async with world.database.write() as session:
        with pytest.raises(InputInvalid):
            await permits.ask(
                session, seen, kind="child", object_id=world.child, reason=reason, now=NOW
            )


async def test_nobody_gives_leave_to_themselves_or_from_another_school(world: World) -> None:
    own = await world.ask("lead")
    with pytest.raises(NotAllowed):
        await world.approve(own, "lead")
    for by in ("other-lead", "asker", "admin"):
        with pytest.raises(NotFound):
            await world.approve(own, by)
    with pytest.raises(InputInvalid):
        await world.approve(own, "district", hours=1000)
    await world.approve(own, "district")
    assert await world.may_read("lead")


async def test_an_answer_stands_and_an_old_question_lapses(world: World) -> None:
    permit_id = await world.ask()
    seen = await world.view("lead")
    async with world.database.write() as session:
        await permits.refuse(session, seen, permit_id, now=NOW)
    with pytest.raises(Conflict):
        await world.approve(permit_id)
    assert not await world.may_read()
    late = await world.ask(now=NOW)
    assert late != permit_id
    with pytest.raises(Conflict, match="lapsed"):
        await world.approve(late, now=NOW + permits.LAPSES)
    assert await world.ask(now=NOW + permits.LAPSES) != late


async def test_leave_is_given_back_and_taken_back(world: World) -> None:
    for by in ("asker", "lead"):
        permit_id = await world.ask()
        await world.approve(permit_id)
        stranger = await world.view("other-lead")
        async with world.database.write() as session:
            with pytest.raises(NotFound):
                await permits.end(session, stranger, permit_id, now=NOW)
        seen = await world.view(by)
        async with world.database.write() as session:
            await permits.end(session, seen, permit_id, now=NOW)
        assert not await world.may_read()


async def test_a_permit_does_not_outlive_the_role(world: World) -> None:
    permit_id = await world.ask()
    await world.approve(permit_id, hours=72)
    async with world.database.write() as session:
        person = await staff.by_login(session, "asker")
        for row in await session.scalars(select(StaffRole).where(StaffRole.staff_id == person.id)):
            row.ends_at = NOW + timedelta(hours=1)
    assert await world.may_read(now=NOW + timedelta(minutes=59))
    assert not await world.may_read(now=NOW + timedelta(hours=1))


async def test_every_read_is_written_down_with_its_permit(world: World) -> None:
    permit_id = await world.ask(kind="case")
    seen = await world.view("asker")
    async with world.database.write() as session:
        with pytest.raises(NotAllowed):
            await permits.read(session, seen, "case", world.case, NOW)
    await world.approve(permit_id)
    for _ in range(2):
        async with world.database.write() as session:
            assert (await permits.read(session, seen, "case", world.case, NOW)).id == permit_id
    found = await world.entries("record.read")
    assert [(row.staff_id, row.object_kind, row.object_id) for row in found] == [
        (seen.id, "case", world.case)
    ] * 2
    assert all(row.data == {"permit": permit_id} for row in found)
    stored = [str(row.data) for row in await world.entries("record.asked")]
    assert stored
    assert not any(WHY in text for text in stored)


async def test_broken_glass_reads_for_an_hour_alarms_and_is_judged(world: World) -> None:
    permit_id = await world.break_glass()
    assert await world.break_glass() == permit_id
    assert await world.may_read(now=NOW + timedelta(minutes=59))
    assert not await world.may_read(now=NOW + timedelta(minutes=60))
    async with world.database.read() as session:
        alarm = (await session.scalars(select(Alarm))).one()
        waiting = await permits.to_decide(session, await world.view("lead"), now=NOW)
        for name in ("asker", "other-lead", "teacher"):
            assert not await permits.to_decide(session, await world.view(name), now=NOW)
    assert (alarm.kind, alarm.key) == ("glass_broken", f"glass_broken:{permit_id}")
    assert [(row.id, row.reason, row.broken_glass) for row in waiting] == [(permit_id, WHY, True)]


async def test_broken_glass_waits_for_its_judge_after_it_has_ended(world: World) -> None:
    await world.break_glass()
    days_later = NOW + timedelta(days=30)
    async with world.database.read() as session:
        waiting = await permits.to_decide(session, await world.view("district"), now=days_later)
    assert len(waiting) == 1
    assert not waiting[0].open


@pytest.mark.parametrize("verdict", [permits.JUSTIFIED, permits.UNJUSTIFIED])
async def test_a_judge_is_another_person_and_may_end_it(world: World, verdict: str) -> None:
    permit_id = await world.break_glass("lead")

    async def review(by: str, word: str = verdict) -> None:
        seen = await world.view(by)
        async with world.database.write() as session:
            await permits.review(session, seen, permit_id, verdict=word, now=NOW)

    with pytest.raises(NotAllowed):
        await review("lead")
    with pytest.raises(NotFound):
        await review("other-lead")
    with pytest.raises(InputInvalid):
        await review("district", "asked")
    await review("district")
    assert await world.may_read("lead") == (verdict == permits.JUSTIFIED)
    with pytest.raises(Conflict):
        await review("district")
    assert (await world.permit(permit_id)).decided_by == (await world.view("district")).id


@pytest.mark.parametrize("by", ["other-counselor", "other-lead", "teacher", "bureau"])
async def test_the_glass_can_not_be_broken_from_elsewhere(world: World, by: str) -> None:
    with pytest.raises(NotFound):
        await world.break_glass(by)
    async with world.database.read() as session:
        assert (await session.scalars(select(Alarm))).all() == []


async def test_a_case_on_the_districts_desk_is_no_line_for_the_school(world: World) -> None:
    async with world.database.write() as session:
        guardian = Guardian(name="满妈妈", source="hand", created_at=NOW)
        session.add(guardian)
        await session.flush()
        tie = Guardianship(
            guardian_id=guardian.id, child_id=world.child, relation="M", created_at=NOW
        )
        case = await session.get_one(Case, world.case)
        contact = await session.get_one(Contact, case.contact_id)
        contact.guardian_id, case.state = guardian.id, "closed"
        of_district = Case(
            contact_id=contact.id,
            place_id=world.places["district"].id,
            level="3",
            family="abuse",
            subject="child",
            speaker="parent_about_child",
            opened_at=NOW,
            raised_at=NOW,
        )
        session.add_all([tie, of_district])
    for by, most in (("asker", 1), ("lead", 1), ("admin", 1), ("district", 2)):
        permit = await world.permit(await world.break_glass(by))
        async with world.database.read() as session:
            record = await minor_record.child_record(session, await world.view(by), permit, now=NOW)
        assert len(record.cases) == most, by


async def test_of_two_children_only_this_ones_school_is_listed(world: World) -> None:
    """A case is a guardian's; it is said where it may be about the other child."""
    async with world.database.write() as session:
        guardian = Guardian(name="满妈妈", source="hand", created_at=NOW)
        session.add(guardian)
        sister, twin = (
            Child(
                place_id=world.places[at].id, name=name, name_key="k", source="hand", created_at=NOW
            )
            for at, name in (("two", "小雨"), ("class", "小双"))
        )
        session.add_all([sister, twin])
        await session.flush()
        ties = [
            Guardianship(guardian_id=guardian.id, child_id=child, relation="M", created_at=NOW)
            for child in (world.child, sister.id)
        ]
        case = await session.get_one(Case, world.case)
        contact = await session.get_one(Contact, case.contact_id)
        contact.guardian_id, case.state = guardian.id, "closed"
        elsewhere = Case(
            contact_id=contact.id,
            place_id=world.places["two"].id,
            level="3",
            family="abuse",
            opened_at=NOW,
            raised_at=NOW,
        )
        session.add_all([*ties, elsewhere])
    permit = await world.permit(await world.break_glass("district"))

    async def lines() -> list[tuple[int, bool]]:
        async with world.database.read() as session:
            by = await world.view("district")
            record = await minor_record.child_record(session, by, permit, now=NOW)
        return [(one.id, one.shared) for one in record.cases]

    assert await lines() == [(world.case, False)]
    async with world.database.write() as session:
        tie = Guardianship(guardian_id=guardian.id, child_id=twin.id, relation="M", created_at=NOW)
        session.add(tie)
    assert await lines() == [(world.case, True)]


async def test_a_permit_shows_the_words_of_its_case_and_no_others(world: World) -> None:
    """The guardian of two children has written about both, and about a teacher."""
    said = {
        "很久以前，大女儿的事": timedelta(days=-40),
        "大女儿的个案里": timedelta(days=-30),
        "前一天说的": timedelta(hours=-20),
        "小满的事": timedelta(),
        "老师打了孩子": timedelta(hours=1),
        "结案之后又说": timedelta(days=3),
    }
    async with world.database.write() as session:
        case = await session.get_one(Case, world.case)
        contact = await session.get_one(Contact, case.contact_id)
        earlier = await make_case(session, contact, now=NOW - 31 * DAY, state="closed")
        earlier.closed_at = NOW - 29 * DAY
        case.state, case.closed_at = "closed", NOW + 2 * DAY
        for text, when in said.items():
            message = await make_message(session, contact, now=NOW + when, text=text)
            await make_delivery(session, contact, now=NOW + when, body=f"答{text}", message=message)
            if "老师" in text:
                judged = select(Assessment).where(Assessment.message_id == message.id)
                (await session.scalars(judged)).one().categories = ["TCH"]
    permit_id = await world.ask(kind="case")
    await world.approve(permit_id, hours=72)
    now = NOW + timedelta(hours=71)

    async def words(by: str, permit: ReadPermit, at: datetime = now) -> list[str]:
        seen = await world.view(by, at)
        async with world.database.read() as session:
            case = await session.get_one(Case, permit.object_id)
            shown = await dossier.dossier(session, seen, case, now=at, permit=permit)
        return ["".join(part for part, _ in line.parts) for line in shown.lines]

    permit = await world.permit(permit_id)
    mine = ["前一天说的", "答前一天说的", "小满的事", "答小满的事"]
    assert sorted(await words("asker", permit)) == sorted(mine)
    with pytest.raises(NotAllowed):
        await words("lead", permit)
    with pytest.raises(NotAllowed):
        await words("asker", permit, NOW + timedelta(hours=73))
    glass = await world.permit(await world.break_glass("district", kind="case"))
    assert "老师打了孩子" in await words("district", glass, NOW)
