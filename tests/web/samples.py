"""One object of school A for every parameter that stands in a route's path.

`test_every_route.py` visits each route with these. A route with a parameter that is not here makes
it fail: add a function that stores such an object at school A (in the class, so that the class's
teacher reaches it too) and name it in SAMPLES. Everything readable in it carries `MARK`, which
nobody outside school A may ever be shown. Where an object stands in a form, say so in FORMS.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from course_world import make_course
from desk_world import World
from rules_world import add_draft
from samples_base import MARK, Sample, a_case, numbers
from samples_desk import DESK
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from teacher_world import add_family, send, write

from bot.db.models import (
    Alarm,
    Binding,
    Contact,
    Guardianship,
    ImportBatch,
    LegalHold,
    ReadPermit,
    Staff,
)
from bot.db.models.imports import CHECKED
from bot.services import data_requests, places, staff


async def _rule_case(world: World) -> int:
    name = f"sample{next(numbers)}"
    await world.add_case(name, place="school_a", text=MARK, fired=MARK)
    return await world.add_rule_case(name)


async def _alarm(world: World) -> int:
    key = f"rules_invalid:{next(numbers)}"
    async with world.services.database.write() as session:
        row = Alarm(key=key, kind="rules_invalid", count=1, first_at=world.now, last_at=world.now)
        session.add(row)
    return row.id


async def _colleague(world: World) -> int:
    async with world.services.database.write() as session:
        person = Staff(
            login=f"sample{next(numbers)}",
            name=MARK,
            password_hash="unused",
            must_change_password=False,
            created_at=world.now,
        )
        session.add(person)
        await session.flush()
        place_id = world.places["class_a"].id
        await staff.grant(session, staff_id=person.id, place_id=place_id, role="teacher")
    return person.id


async def _permit(world: World) -> int:
    """Somebody else's question about a case of school A."""
    case_id = await a_case(world)
    async with world.services.database.write() as session:
        row = ReadPermit(
            staff_id=world.staff["second_counselor"].id,
            kind="case",
            object_id=case_id,
            reason=MARK,
            state="asked",
            asked_at=world.now,
        )
        session.add(row)
    return row.id


async def _child(world: World) -> int:
    return await add_family(world, f"{MARK}{next(numbers)}", parent="家长")


async def _notice(world: World) -> int:
    number = next(numbers)
    notice_id = await write(world, title=MARK, key=f"sample{number}")
    await send(world, notice_id)
    return notice_id


async def _course(world: World) -> int:
    async with world.services.database.write() as session:
        starts = world.now + timedelta(days=3)
        place = world.places["class_a"]
        row = await make_course(session, place, starts=starts, now=world.now, title=MARK)
    return row.id


async def _hold(world: World) -> int:
    """A hold that somebody set and nobody has agreed to yet."""
    case_id = await a_case(world)
    async with world.services.database.write() as session:
        row = LegalHold(
            kind="case",
            object_id=case_id,
            reason=MARK,
            staff_id=world.staff["district"].id,
            created_at=world.now,
        )
        session.add(row)
    return row.id


async def _place(world: World) -> int:
    async with world.services.database.write() as session:
        name = f"{MARK}{next(numbers)}"
        row = await places.add(session, kind="committee", name=name, parent=world.places["class_a"])
    return row.id


async def _tie(world: World, child_id: int) -> int:
    async with world.services.database.read() as session:
        query = select(Guardianship.id).where(Guardianship.child_id == child_id)
        return (await session.scalars(query)).one()


async def _import(world: World) -> int:
    async with world.services.database.write() as session:
        row = ImportBatch(
            kind="excel",
            place_id=world.places["school_a"].id,
            name=MARK,
            state=CHECKED,
            created_at=world.now,
        )
        session.add(row)
    return row.id


async def _contact(session: AsyncSession, world: World) -> Contact:
    row = Contact(
        channel="wechat",
        account="demo",
        external_id=f"sample{next(numbers)}",
        place_id=world.places["class_a"].id,
        created_at=world.now,
    )
    session.add(row)
    await session.flush()
    return row


async def _binding(world: World) -> int:
    """A parent's claim that waits for the class's teacher."""
    async with world.services.database.write() as session:
        contact = await _contact(session, world)
        row = Binding(
            contact_id=contact.id,
            place_id=world.places["class_a"].id,
            claim={"child": MARK, "relation": "M", "phone": "13900000001"},
            created_at=world.now,
        )
        session.add(row)
    return row.id


async def _request(world: World) -> int:
    """A parent's request about their data."""
    async with world.services.database.write() as session:
        contact = await _contact(session, world)
        row = await data_requests.ask(session, contact, kind="correct", words=MARK, now=world.now)
    return row.id


def _word(word: str) -> Callable[[World], Awaitable[str]]:
    async def make(world: World) -> str:
        return word

    return make


SAMPLES: Mapping[str, Sample] = {
    **DESK,
    "case_id": Sample(a_case),
    "form_kind": Sample(_word("contact"), shared=True),
    "rule_case_id": Sample(_rule_case),
    "staff_id": Sample(_colleague),
    "permit_id": Sample(_permit),
    "hold_id": Sample(_hold),
    "notice_id": Sample(_notice),
    "child_id": Sample(_child),
    "tie_id": Sample(_tie, of="child_id"),
    "batch_id": Sample(_import),
    "place_id": Sample(_place),
    "course_id": Sample(_course),
    "binding_id": Sample(_binding),
    "request_id": Sample(_request),
    # Rules judge every school's messages; alarms are about the service itself.
    "rules_id": Sample(add_draft, shared=True),
    "name": Sample(_word("parent.toml"), shared=True),
    "alarm_id": Sample(_alarm, shared=True),
    "entry_id": Sample(_word("T06-01"), shared=True),
    # A link is for one browser; `test_parents_page.py` opens real ones.
    "token": Sample(_word("x" * 43), shared=True),
}

# What a form carries where the object stands in it and not in the path; `{…}` as in a path.
FORMS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("POST", "/permits"): {"kind": "case", "object": "{case_id}", "reason": "家长来校说明情况"},
    ("POST", "/permits/now"): {"kind": "case", "object": "{case_id}", "reason": "家长来校说明情况"},
    ("POST", "/teacher/bindings/{binding_id:int}/agree"): {"pick": "{child_id}:0", "name": "林静"},
}

_NOT_THEIR_PHONE = "only whoever holds the phone hangs up"
_NOT_THEIR_BROWSER = "it is another person's browser"
_NOT_THEIRS = "it is another person's permit"
_NOT_THEIR_SHIFT = "it is another person's shift, swap or absence"
# Whoever has the role for a page and still does not reach this sample, and why.
OUT_OF_REACH: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("POST", "/desk/calls/{call_id:int}/end"): dict.fromkeys(
        ("counselor", "district"), _NOT_THEIR_PHONE
    ),
    ("POST", "/desk/cases/{case_id:int}/attachments/{attachment_id:int}/remove"): dict.fromkeys(
        ("counselor", "district"), "only who added a file may remove it"
    ),
    ("GET", "/permits/{permit_id:int}/record"): dict.fromkeys(
        ("counselor", "lead", "district", "admin"), _NOT_THEIRS
    ),
    ("POST", "/desk/roster/shifts/{shift_id:int}/swap"): dict.fromkeys(
        ("counselor", "lead", "district"), _NOT_THEIR_SHIFT
    ),
    ("POST", "/desk/roster/swaps/{swap_id:int}/agree"): dict.fromkeys(
        ("counselor", "lead", "district"), _NOT_THEIR_SHIFT
    ),
    ("POST", "/desk/roster/swaps/{swap_id:int}/withdraw"): dict.fromkeys(
        ("counselor", "lead", "district"), _NOT_THEIR_SHIFT
    ),
    ("POST", "/desk/roster/swaps/{swap_id:int}/refuse"): {"counselor": _NOT_THEIR_SHIFT},
    ("POST", "/desk/drills/{drill_id:int}/end"): {"lead": "somebody else started it"},
    ("POST", "/desk/roster/absences/{absence_id:int}/end"): {"counselor": _NOT_THEIR_SHIFT},
    ("POST", "/desk/push/{browser_id:int}/end"): dict.fromkeys(
        ("counselor", "lead", "district"), _NOT_THEIR_BROWSER
    ),
    ("POST", "/permits/{permit_id:int}/end"): dict.fromkeys(("counselor", "admin"), _NOT_THEIRS),
}
