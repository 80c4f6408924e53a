"""Samples of the desk: reports, calls, shifts, offers, worries, forms. Used by `samples`."""

from collections.abc import Mapping
from datetime import timedelta

from desk_world import World
from samples_base import MARK, Sample, a_case, numbers

from bot.db.models import (
    Absence,
    CareTask,
    Case,
    CaseOffer,
    Drill,
    PhoneCall,
    PushSubscription,
    Report,
    Shift,
    ShiftPattern,
    ShiftSwap,
    Worry,
)
from bot.services import attachments, forms, people, staff
from bot.services.file_types import Checked


async def _report(world: World, case_id: int) -> int:
    """A report that somebody decided and nobody has agreed to yet."""
    async with world.services.database.write() as session:
        row = Report(
            case_id=case_id,
            addressee="police",
            basis="minor_law_11",
            decided_by=world.staff["second_counselor"].id,
            decided_at=world.now,
            words=MARK,
            number=MARK,
            officer=MARK,
            result=MARK,
        )
        session.add(row)
    return row.id


async def _shift(world: World) -> int:
    """A colleague's shift at school A, long enough ahead not to touch another one."""
    starts = world.now + timedelta(days=1, hours=2 * next(numbers))
    async with world.services.database.write() as session:
        row = Shift(
            place_id=world.places["school_a"].id,
            staff_id=world.staff["second_counselor"].id,
            tier="counselor",
            starts_at=starts,
            ends_at=starts + timedelta(hours=1),
            wakes=True,
        )
        session.add(row)
    return row.id


async def _pattern(world: World) -> int:
    async with world.services.database.write() as session:
        row = ShiftPattern(
            place_id=world.places["school_a"].id,
            staff_id=world.staff["second_counselor"].id,
            tier="counselor",
            days=[1],
            on_holidays=False,
            on_makeup_days=False,
            start_minute=60,
            end_minute=120,
            first_day=world.now.date(),
            made_by=world.staff["lead"].id,
        )
        session.add(row)
    return row.id


async def _absence(world: World) -> int:
    async with world.services.database.write() as session:
        row = Absence(
            staff_id=world.staff["second_counselor"].id,
            starts_at=world.now + timedelta(days=1),
            ends_at=world.now + timedelta(days=2),
            kind="leave",
            made_by=world.staff["second_counselor"].id,
            made_at=world.now,
        )
        session.add(row)
    return row.id


async def _swap(world: World) -> int:
    shift_id = await _shift(world)
    async with world.services.database.write() as session:
        row = ShiftSwap(
            shift_id=shift_id,
            from_id=world.staff["second_counselor"].id,
            to_id=world.staff["counselor"].id,
            state="asked",
            asked_at=world.now,
        )
        session.add(row)
    return row.id


async def _offer(world: World) -> int:
    """An offer of a case to a colleague at school A, over since: a person has one at a time."""
    case_id = await a_case(world)
    async with world.services.database.write() as session:
        row = CaseOffer(
            case_id=case_id,
            staff_id=world.staff["second_counselor"].id,
            made_at=world.now,
            until=world.now + timedelta(minutes=1),
            ended_at=world.now,
            ended_as="over",
        )
        session.add(row)
    return row.id


async def _phone_call(world: World) -> int:
    """A call that a colleague holds."""
    case_id = await a_case(world)
    async with world.services.database.write() as session:
        row = PhoneCall(
            case_id=case_id,
            place_id=world.places["school_a"].id,
            staff_id=world.staff["second_counselor"].id,
            started_at=world.now,
            caller=MARK,
            phone=MARK,
            note=MARK,
        )
        session.add(row)
    return row.id


async def _drill(world: World) -> int:
    """A drill at school A that somebody started and whose case is gone already."""
    async with world.services.database.write() as session:
        row = Drill(
            place_id=world.places["school_a"].id,
            level="3",
            started_by=world.staff["lead"].id,
            started_at=world.now,
            state="failed",
            report={"problems": []},
        )
        session.add(row)
    return row.id


async def _own_class(world: World) -> int:
    return world.places["class_a"].id


async def _worry(world: World, case_id: int) -> int:
    """A teacher's worry in a case."""
    async with world.services.database.write() as session:
        row = Worry(
            key=f"sample{next(numbers)}",
            case_id=case_id,
            place_id=world.places["class_a"].id,
            author_id=world.staff["teacher"].id,
            words=MARK,
            at=world.now,
        )
        session.add(row)
    return row.id


async def _task(world: World, case_id: int) -> int:
    """A care task of a case, for the teachers of the child's class."""
    async with world.services.database.write() as session:
        child = await people.add_child(
            session,
            place_id=world.places["class_a"].id,
            name=MARK,
            now=world.now,
            ring=world.services.ring,
        )
        row = CareTask(
            case_id=case_id,
            child_id=child.id,
            place_id=world.places["class_a"].id,
            made_by=world.staff["counselor"].id,
            made_at=world.now,
            until=world.now + timedelta(days=7),
            do=MARK,
            dont="",
            answer="",
        )
        session.add(row)
    return row.id


async def _browser(world: World) -> int:
    """A browser of the counselor's, which nobody else may end."""
    async with world.services.database.write() as session:
        row = PushSubscription(
            staff_id=world.staff["counselor"].id,
            digest=f"sample{next(numbers)}",
            address=MARK,
            keys="{}",
            made_at=world.now,
        )
        session.add(row)
    return row.id


async def _own_task(world: World) -> int:
    return await _task(world, await a_case(world))


async def _form(world: World, case_id: int) -> int:
    """A draft of a contact form that says MARK."""
    async with world.services.database.write() as session:
        by = await staff.view(session, world.staff["counselor"], world.now)
        case = await session.get_one(Case, case_id)
        said = {"words": MARK}
        row = await forms.begin(session, by, case, "contact", now=world.now, answers=said)
    return row.id


async def _attachment(world: World, case_id: int) -> int:
    """A file that somebody else has added."""
    async with world.services.database.write() as session:
        by = await staff.view(session, world.staff["counselor"], world.now)
        case = await session.get_one(Case, case_id)
        checked = Checked(f"{MARK}.pdf", "application/pdf", MARK.encode())
        row = await attachments.add(session, by, case, checked, now=world.now)
    return row.id


DESK: Mapping[str, Sample] = {
    "form_id": Sample(_form, of="case_id"),
    "attachment_id": Sample(_attachment, of="case_id"),
    "offer_id": Sample(_offer),
    "report_id": Sample(_report, of="case_id"),
    "call_id": Sample(_phone_call),
    "class_id": Sample(_own_class),
    "shift_id": Sample(_shift),
    "pattern_id": Sample(_pattern),
    "absence_id": Sample(_absence),
    "swap_id": Sample(_swap),
    "drill_id": Sample(_drill),
    "worry_id": Sample(_worry, of="case_id"),
    "task_id": Sample(_task, of="case_id"),
    "own_task_id": Sample(_own_task),
    "browser_id": Sample(_browser),
}
