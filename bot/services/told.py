"""Who was told about a case: the people a counselor spoke to, what was said, what they answered.

Called by the case's page. A row is never changed: a wrong one is followed by a right one. Where no
guardian may be told, the form refuses one; a guardian with a custody block is never told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SHANGHAI
from bot.core.errors import InputInvalid
from bot.db.models import Case, CaseEvent, Contact, Guardian, Guardianship, Told
from bot.services import audit, case_rights
from bot.services.live import publish
from bot.services.staff import StaffView

GUARDIAN = "guardian"
WHO = (
    GUARDIAN,
    "class_teacher",
    "school_lead",
    "district",
    "police",
    "ambulance",
    "hospital",
    "civil_affairs",
    "other",
)
WAYS = ("phone", "person", "message", "letter")
LONGEST, LONGEST_NAME = 4000, 80
# A telling is written down afterwards, sometimes days later, and never before it happened.
OLDEST, CLOCK_SKEW = timedelta(days=30), timedelta(minutes=5)
REPEAT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Telling:
    """What a person writes down about one telling.

    Args:
        guardian_id: one of the child's guardians; None for everybody else.
        at: as the form's field gives it (`2026-11-22T23:40`, Asia/Shanghai); empty: now.
    """

    who: str
    way: str
    words: str
    reached: bool
    name: str = ""
    guardian_id: int | None = None
    answer: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A guardian of the case's child, or the one who writes.

    Args:
        blocked: a custody block: is told nothing of the child.
    """

    guardian_id: int
    name: str
    phone: str
    relation: str
    blocked: bool


async def guardians(session: AsyncSession, case: Case) -> list[Person]:
    """Return the guardians of a case's child, those who may not be told among them."""
    contact = await session.get_one(Contact, case.contact_id)
    children: list[int] = [] if case.child_id is None else [case.child_id]
    if not children and contact.guardian_id is not None:
        query = select(Guardianship.child_id).where(
            Guardianship.guardian_id == contact.guardian_id, Guardianship.ended_at.is_(None)
        )
        children = list(await session.scalars(query))
    rows = await session.execute(
        select(Guardian, Guardianship)
        .join(Guardianship, Guardianship.guardian_id == Guardian.id)
        .where(Guardianship.child_id.in_(children), Guardianship.ended_at.is_(None))
        .order_by(Guardian.id)
    )
    found: dict[int, Person] = {}
    for guardian, tie in rows.all():
        before = found.get(guardian.id)
        blocked = tie.custody_block or (before is not None and before.blocked)
        found[guardian.id] = Person(
            guardian.id, guardian.name, guardian.phone or "", tie.relation, blocked
        )
    return list(found.values())


async def add(
    session: AsyncSession, by: StaffView, case: Case, telling: Telling, *, now: datetime
) -> Told:
    """Write down that somebody was told; a double click writes one row.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: what is wrong, by a code; a guardian who may not be told among it.
    """
    await case_rights.to_work(session, by, case)
    at = _moment(telling.at, now)
    _check(telling)
    name = await _name(session, case, telling)
    await session.get(Case, case.id, with_for_update=True)
    row = Told(
        case_id=case.id,
        staff_id=by.id,
        at=at,
        who=telling.who,
        guardian_id=telling.guardian_id,
        name=name,
        way=telling.way,
        words=telling.words.strip(),
        answer=telling.answer.strip(),
        reached=telling.reached,
    )
    same = await _same(session, row, now)
    if same is not None:
        return same
    session.add(row)
    met = case.guardian_at is None or case.guardian_at < case.raised_at
    # The field of the page knows minutes only.
    lately = at > case.raised_at - timedelta(minutes=1)
    if telling.who == GUARDIAN and telling.reached and met and lately:
        case.guardian_at = max(at, case.raised_at)
    await session.flush()
    data = {"what": row.who, "who": row.who, "way": row.way, "reached": row.reached}
    session.add(CaseEvent(case_id=case.id, at=now, kind="told", staff_id=by.id, data=dict(data)))
    await audit.record(
        session,
        staff_id=by.id,
        action="case.told",
        object_kind="case",
        object_id=case.id,
        now=now,
        data={"told": row.id, **data},
    )
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return row


async def by_report(
    session: AsyncSession, by: StaffView, case: Case, telling: Telling, *, at: datetime
) -> None:
    """Write the row of a report that was made; its own step says so in the timeline and the trail.

    Called by `reports`, which asked the right.
    """
    who = telling.who if telling.who in WHO else "other"
    session.add(
        Told(
            case_id=case.id,
            staff_id=by.id,
            at=at,
            who=who,
            guardian_id=None,
            name=telling.name[:LONGEST_NAME],
            way=telling.way,
            words=telling.words,
            answer=telling.answer,
            reached=telling.reached,
        )
    )
    await session.flush()


async def of_case(session: AsyncSession, case_id: int) -> Sequence[Told]:
    """Return who was told about a case, in the order in which it happened."""
    query = select(Told).where(Told.case_id == case_id).order_by(Told.at, Told.id)
    return (await session.scalars(query)).all()


def _check(telling: Telling) -> None:
    if telling.who not in WHO:
        raise InputInvalid("told_who", field="who")
    if telling.way not in WAYS:
        raise InputInvalid("told_way", field="way")
    if not telling.words.strip():
        raise InputInvalid("told_words", field="words")
    if max(len(telling.words), len(telling.answer)) > LONGEST:
        raise InputInvalid("told_too_long", field="words")
    if telling.reached and not telling.answer.strip():
        raise InputInvalid("told_answer", field="answer")
    if len(telling.name.strip()) > LONGEST_NAME:
        raise InputInvalid("told_name_long", field="name")


async def _name(session: AsyncSession, case: Case, telling: Telling) -> str:
    """Return the name of who was told; refuse a guardian who may not be."""
    name = telling.name.strip()
    if telling.who != GUARDIAN:
        if telling.guardian_id is not None:
            raise InputInvalid("told_who", field="who")
        return name
    if case.guardians_barred:
        raise InputInvalid("told_barred", field="who")
    people = await guardians(session, case)
    picked = next((one for one in people if one.guardian_id == telling.guardian_id), None)
    if telling.guardian_id is not None and picked is None:
        raise InputInvalid("told_guardian", field="guardian")
    # One who is blocked may also be typed in by name.
    blocked = {one.name for one in people if one.blocked}
    if (picked is not None and picked.blocked) or (picked is None and name in blocked):
        raise InputInvalid("told_blocked", field="guardian")
    if picked is None and not name:
        raise InputInvalid("told_name", field="name")
    return picked.name if picked else name


def _moment(text: str, now: datetime) -> datetime:
    if not text.strip():
        return now
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputInvalid("told_when", field="at") from None
    at = at.replace(tzinfo=SHANGHAI) if at.tzinfo is None else at
    if not now - OLDEST <= at <= now + CLOCK_SKEW:
        raise InputInvalid("told_when", field="at")
    return at


async def _same(session: AsyncSession, row: Told, now: datetime) -> Told | None:
    """Return the row that this person has just written with the same words."""
    query = select(Told).where(
        Told.case_id == row.case_id,
        Told.staff_id == row.staff_id,
        Told.who == row.who,
        Told.way == row.way,
        Told.reached == row.reached,
        Told.at > now - OLDEST,
    )
    for other in await session.scalars(query.order_by(Told.id.desc()).limit(3)):
        words = (other.words, other.answer, other.name) == (row.words, row.answer, row.name)
        if words and abs(other.at - row.at) <= REPEAT:
            return other
    return None
