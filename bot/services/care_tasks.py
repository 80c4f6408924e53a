"""Care tasks: what a class teacher is asked to watch and to leave alone, by a counselor's decision.

Never why, no word of the case, no level, no diagnosis. A task ends by its date or is withdrawn.
Called by the case's page (give, withdraw) and by the teacher's board (seen, done, answer).
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SHANGHAI, to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.privacy import clean
from bot.db.models import CareTask, Case, CaseEvent, Child, Contact, Guardianship, Place, Staff
from bot.db.models.person import ACTIVE
from bot.services import audit, care_tellers, care_words, case_rights, cases, rights, worries
from bot.services.alerts import AlertPolicy
from bot.services.cases import Cause
from bot.services.live import publish
from bot.services.staff import StaffView

READ = "care.read"
MOST, MOST_DAYS = 500, 90
MOST_ANSWERS = 4000


class CareWord(InputInvalid):
    """A word that no class teacher is told stands in the task.

    Args:
        word: which.
    """

    def __init__(self, word: str, field: str) -> None:
        super().__init__("care_word", field=field)
        self.word = word


@dataclass(frozen=True, slots=True)
class Row:
    """A task with its child's name and class.

    Args:
        state: `fresh`, `seen`, `done` or `ended`.
        maker: who asks; the teacher may call them.
    """

    id: int
    child: str
    place: str
    do: tuple[str, ...]
    dont: tuple[str, ...]
    until: datetime
    made_at: datetime
    maker: str
    phone: str
    state: str
    seen_at: datetime | None
    done_at: datetime | None
    answer: str

    @property
    def last_day(self) -> str:
        """Return the last day of it, as 12-01; of one that was withdrawn, the day of that."""
        return f"{to_shanghai(self.until - timedelta(seconds=1)):%m-%d}"


async def children(session: AsyncSession, by: StaffView, case: Case) -> list[Child]:
    """Return the children whom a case may be about: its own, else the contact's, else the class's.

    A class's children are offered only where the contact came from that class, and a child at
    another school to nobody but the district.
    """
    wanted = None
    if case.child_id is not None:
        wanted = Child.id == case.child_id
    else:
        contact = await session.get_one(Contact, case.contact_id)
        place = await session.get(Place, contact.place_id) if contact.place_id else None
        if contact.guardian_id is not None:
            wanted = Child.id.in_(
                select(Guardianship.child_id).where(
                    Guardianship.guardian_id == contact.guardian_id,
                    Guardianship.ended_at.is_(None),
                )
            )
        elif place is not None and place.kind == "class":
            wanted = Child.place_id == place.id
    if wanted is None:
        return []
    reach = rights.places_for(by, case_rights.WORK)
    query = select(Child).where(wanted, Child.state == ACTIVE, Child.place_id.in_(reach))
    return list(await session.scalars(query.order_by(Child.id)))


async def give(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    *,
    child_id: int,
    do: str,
    dont: str,
    until: str,
    now: datetime,
) -> CareTask:
    """Give the teachers of a child's class a task.

    Args:
        until: the last day, as the form's field gives it (`2026-12-01`).

    Raises:
        NotFound: the case is out of this person's reach.
        InputInvalid: no such child of this case, nothing to do, too long, a wrong day; or the case
            is the district's because of somebody at the school (`care_district`).
        CareWord: a word that may not stand in it.
        Conflict: the case is not accepted, or closed (`not_accepted`).
    """
    await case_rights.to_work(session, by, case)
    if case.state != "accepted":
        raise Conflict("not_accepted")
    if case.tier == case_rights.DISTRICT and case.guardians_barred:
        # Somebody of the school may be who harmed the child, and the task would reach them.
        raise InputInvalid("care_district", field="child")
    child = next((one for one in await children(session, by, case) if one.id == child_id), None)
    if child is None or child.place_id is None:
        raise InputInvalid("care_child", field="child")
    wanted, unwanted = _checked(do, "do"), _checked(dont, "dont")
    if not wanted:
        raise InputInvalid("care_nothing", field="do")
    task = CareTask(
        case_id=case.id,
        child_id=child.id,
        place_id=child.place_id,
        made_by=by.id,
        made_at=now,
        until=_last(until, now),
        do=wanted,
        dont=unwanted,
        answer="",
    )
    session.add(task)
    await session.flush()
    await _note(session, case, "care_given", by, task, now)
    await _record(session, by, "care.given", task, now)
    await care_tellers.tell_class(session, child.place_id, "care.task", now=now)
    return task


def _checked(text: str, field: str) -> str:
    lines = [line.strip() for line in clean(text).splitlines()]
    words = "\n".join(dict.fromkeys(line for line in lines if line))
    if len(words) > MOST:
        raise InputInvalid("care_long", field=field)
    if word := care_words.forbidden_in(words):
        raise CareWord(word, field)
    return words


def _last(until: str, now: datetime) -> datetime:
    """Return the end of the day that was chosen."""
    today = to_shanghai(now).date()
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise InputInvalid("care_until", field="until") from None
    if not today < day <= today + timedelta(days=MOST_DAYS):
        raise InputInvalid("care_until", field="until")
    return datetime.combine(day + timedelta(days=1), time(), SHANGHAI)


async def withdraw(
    session: AsyncSession, by: StaffView, case: Case, task_id: int, *, now: datetime
) -> None:
    """End a task now.

    Raises:
        NotFound: no such task in this case, or it is out of this person's reach.
        Conflict: it has ended already (`care_gone`).
    """
    await case_rights.to_work(session, by, case)
    task = await session.get(CareTask, task_id, with_for_update=True, populate_existing=True)
    if task is None or task.case_id != case.id:
        raise NotFound("no such task")
    if task.until <= now:
        raise Conflict("care_gone")
    task.until = now
    await _note(session, case, "care_withdrawn", by, task, now)
    await _record(session, by, "care.withdrawn", task, now)


async def board(session: AsyncSession, by: StaffView, *, now: datetime) -> list[Row]:
    """Return the tasks that run in somebody's classes, and write down that they were read.

    Raises:
        NotAllowed: no right to any.
    """
    rights.require_somewhere(by, READ)
    rows = await _rows(
        session,
        CareTask.place_id.in_(rights.places_for(by, READ)),
        CareTask.until > now,
        now=now,
    )
    if rows:
        await audit.record(
            session,
            staff_id=by.id,
            action="care.read",
            object_kind="staff",
            object_id=by.id,
            now=now,
            data={"tasks": [row.id for row in rows]},
        )
    return rows


async def unseen(session: AsyncSession, by: StaffView, *, now: datetime) -> int:
    """Return how many running tasks in somebody's classes nobody has seen yet."""
    here = rights.places_for(by, READ)
    query = select(func.count(CareTask.id)).where(
        CareTask.place_id.in_(here), CareTask.until > now, CareTask.seen_at.is_(None)
    )
    return await session.scalar(query) or 0


async def of_case(session: AsyncSession, case: Case, *, now: datetime) -> list[Row]:
    """Return the tasks of a case, ended ones too."""
    return await _rows(session, CareTask.case_id == case.id, now=now)


async def _rows(session: AsyncSession, *wanted: ColumnElement[bool], now: datetime) -> list[Row]:
    found = await session.execute(
        select(CareTask, Child.name, Place.name, Staff.name, Staff.phone)
        .join(Child, Child.id == CareTask.child_id)
        .join(Place, Place.id == CareTask.place_id)
        .join(Staff, Staff.id == CareTask.made_by)
        .where(*wanted)
        .order_by(CareTask.until, CareTask.id)
    )
    return [
        Row(
            task.id,
            child,
            place,
            tuple(task.do.splitlines()),
            tuple(task.dont.splitlines()),
            task.until,
            task.made_at,
            maker,
            phone or "",
            _state(task, now),
            task.seen_at,
            task.done_at,
            task.answer,
        )
        for task, child, place, maker, phone in found
    ]


def _state(task: CareTask, now: datetime) -> str:
    if task.until <= now:
        return "ended"
    if task.done_at is not None:
        return "done"
    return "seen" if task.seen_at is not None else "fresh"


async def mark(
    session: AsyncSession, by: StaffView, task_id: int, *, done: bool, now: datetime
) -> None:
    """Note that the teacher has seen a task, or done it; twice is once.

    Raises:
        NotFound: no such task in this person's classes.
        Conflict: it has ended (`care_gone`).
    """
    task = await _own(session, by, task_id, now)
    task.seen_at = task.seen_at or now
    if done:
        task.done_at = task.done_at or now
    case = await session.get_one(Case, task.case_id)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


async def reply(
    session: AsyncSession,
    policy: AlertPolicy,
    screen: worries.Judge,
    by: StaffView,
    task_id: int,
    *,
    words: str,
    now: datetime,
) -> None:
    """Write back to the counselor; the words are screened, and a danger in them calls people.

    Raises:
        NotFound: no such task in this person's classes.
        Conflict: it has ended (`care_gone`).
        InputInvalid: nothing was written, or too much.
    """
    task = await _own(session, by, task_id, now)
    said = clean(words).strip()
    line = f"{to_shanghai(now):%m-%d %H:%M} {by.name}：{said}"
    whole = "\n".join(part for part in (task.answer, line) if part)
    if not said or len(said) > MOST or len(whole) > MOST_ANSWERS:
        raise InputInvalid("care_answer", field="words")
    task.answer, task.seen_at = whole, task.seen_at or now
    case = await session.get_one(Case, task.case_id)
    await _note(session, case, "care_answered", by, task, now)
    await _record(session, by, "care.answered", task, now)
    found = worries.judged(screen, said)
    if found.escalated:
        categories = found.verdict.categories if found.verdict else ()
        contact = await session.get_one(Contact, case.contact_id)
        cause = Cause(found.fresh, categories, worries.TEACHER, "child", "worry")
        await cases.open_or_raise(session, policy, contact, None, cause, now=now)


async def _own(session: AsyncSession, by: StaffView, task_id: int, now: datetime) -> CareTask:
    task = await session.get(CareTask, task_id, with_for_update=True, populate_existing=True)
    if task is None or not rights.may(by, READ, task.place_id):
        raise NotFound("no such task")
    if task.until <= now:
        raise Conflict("care_gone")
    return task


async def _note(
    session: AsyncSession, case: Case, kind: str, by: StaffView, task: CareTask, now: datetime
) -> None:
    event = CaseEvent(case_id=case.id, at=now, kind=kind, staff_id=by.id, data={"task": task.id})
    session.add(event)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


async def _record(
    session: AsyncSession, by: StaffView, action: str, task: CareTask, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="care_task",
        object_id=task.id,
        now=now,
        data={"case": task.case_id, "child": task.child_id},
    )
