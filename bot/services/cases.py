"""Cases: open, raise, accept, close. A level is raised by the screen, or by a person who judged it
higher, and lowered by nobody here.

Called by the inbox (open or raise, in the storing transaction), by handlers (hand-off), by judging
and by the desk (accept, close: for a person, whose right is asked here).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.crisis import family_of, speaker_of
from bot.core.errors import Conflict, InputInvalid
from bot.core.levels import ESCALATED, highest, rank
from bot.db.models import Case, CaseEvent, Contact, Message
from bot.db.models.case import ACCEPTED, CLOSED, OPEN
from bot.jobs.table import enqueue
from bot.services import (
    alerts,
    case_rights,
    case_steps,
    contacts,
    follow_ups,
    ladder,
    offers,
    places,
    priority,
    roster,
    routing,
    sharing,
)
from bot.services.alerts import AlertPolicy
from bot.services.live import publish
from bot.services.screening import Screened
from bot.services.staff import StaffView

# So long after accepting, a counselor on duty is taken to be watching the case.
WATCHED = timedelta(minutes=30)

CLOSE_REASONS: tuple[str, ...] = (
    "safe_with_plan",
    "handed_to_hospital",
    "handed_to_police",
    "handed_to_school",
    "handed_to_district",
    "false_alarm",
    "answered",
    "unreachable",
    "drill",
)

# Built once: these run for every message.
_OF_CONTACT = Case.contact_id == bindparam("contact")
_OPEN = select(Case).where(_OF_CONTACT, Case.state != CLOSED)
# Somebody who closes it at this moment is waited for: what comes then opens a case of its own.
_OPEN_LOCKED = _OPEN.with_for_update(key_share=True).execution_options(populate_existing=True)
_LATEST = select(Case).where(_OF_CONTACT).order_by(Case.id.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a case is opened or raised: level, categories, who speaks and about whom."""

    level: str
    categories: tuple[str, ...]
    who: str
    subject: str
    origin: str = "screen"

    @classmethod
    def of(cls, screened: Screened) -> "Cause":
        """Return the cause that a screened text gives."""
        verdict = screened.verdict
        if verdict is None:
            return cls(screened.fresh, (), "", "unknown", "screen_failed")
        return cls(screened.fresh, verdict.categories, verdict.who or "", verdict.subject)


async def open_case(session: AsyncSession, contact_id: int) -> Case | None:
    """Return the case of a contact that is not closed."""
    return await session.scalar(_OPEN, {"contact": contact_id})


async def latest(session: AsyncSession, contact_id: int) -> Case | None:
    """Return the newest case of a contact, open or closed."""
    return await session.scalar(_LATEST, {"contact": contact_id})


async def any_of(session: AsyncSession, contact_id: int) -> bool:
    """Say whether a contact has a case of level 2 or above, open or closed."""
    query = select(Case.id).where(Case.contact_id == contact_id, Case.level.in_(ESCALATED))
    return await session.scalar(query.limit(1)) is not None


async def open_or_raise(
    session: AsyncSession,
    policy: AlertPolicy,
    contact: Contact,
    message: Message | None,
    cause: Cause,
    *,
    now: datetime,
    drill: bool = False,
) -> Case:
    """Open a case for a contact, or raise the open one, and start the ladder where it is due.

    A high danger in a case that somebody accepted calls people again, unless that person accepted
    it a short time ago and is on duty: then the desk shows it and nobody else is woken.
    """
    case = await session.scalar(_OPEN_LOCKED, {"contact": contact.id})
    message_id = message.id if message else None
    if case is None:
        case = await _open(session, contact, message, cause, now=now, drill=drill)
        due = True
        await priority.opened(session, case, now=now)
    else:
        due = rank(cause.level) > rank(case.level) or await _unattended(session, case, cause, now)
        case.guardians_barred |= routing.bars_guardians(cause.categories)
        kind = "raised" if due else "again"
        _note(session, case, kind, now, message_id=message_id, level=cause.level)
        if due:
            await _raise(session, case, contact, cause, now=now)
        elif rank(cause.level) >= rank(case.level):
            _describe(case, cause)
        if message is not None:
            priority.heard(case, message)
    if due and ladder.climbs(case.level):
        place = await places.get(session, case.place_id)
        case.uncovered = not await roster.covered(session, place, now)
        if case.uncovered:
            _note(session, case, "uncovered", now)
        await ladder.start(session, policy, case, now=now)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return case


async def _unattended(session: AsyncSession, case: Case, cause: Cause, now: datetime) -> bool:
    """Say whether a high danger comes into an accepted case that nobody watches any more."""
    if case.state != ACCEPTED or rank(cause.level) < rank("3"):
        return False
    if case.accepted_at is None or now - case.accepted_at > WATCHED:
        return True
    return not await roster.on_duty(session, case.accepted_by, now)


async def _open(
    session: AsyncSession,
    contact: Contact,
    message: Message | None,
    cause: Cause,
    *,
    now: datetime,
    drill: bool,
) -> Case:
    place = await routing.desk_place(
        session,
        contact.place_id,
        categories=cause.categories,
        subject=cause.subject,
        who=cause.who,
    )
    place, unasked = await sharing.desk(
        session, contact.id, place, level=cause.level, subject=cause.subject
    )
    case = Case(
        contact_id=contact.id,
        place_id=place.id if place else None,
        message_id=message.id if message else None,
        origin=cause.origin,
        level=cause.level,
        family=family_of(cause.categories),
        subject=cause.subject,
        speaker=speaker_of(cause.who or None),
        state=OPEN,
        tier=place.kind if place else "district",
        step=0,
        phone_now=bool(message) and not contacts.can_write(contact, now),
        uncovered=False,
        drill=drill,
        priority=0,
        priority_reasons=[],
        opened_at=now,
        raised_at=now,
        guardians_barred=routing.bars_guardians(cause.categories),
    )
    session.add(case)
    await session.flush()
    if unasked:
        await sharing.note_exception(
            session, contact.id, kind=sharing.SCHOOL, case_id=case.id, now=now
        )
    await sharing.note_told(session, case, contact, was=None, now=now)
    _note(session, case, "opened", now, message_id=case.message_id, level=case.level)
    return case


async def _raise(
    session: AsyncSession, case: Case, contact: Contact, cause: Cause, *, now: datetime
) -> None:
    """Raise a case, or call for it again: the ladder starts anew and a person has to accept."""
    await ladder.stop(session, case.id, now=now)
    was = case.level, case.tier
    case.level = highest((case.level, cause.level))
    case.raised_at = now
    priority.raised(case, now=now)
    case.phone_now = case.phone_now or not contacts.can_write(contact, now)
    _describe(case, cause)
    place = await routing.desk_place(
        session,
        # A contact whose data was erased has no class any more; its case still is the school's.
        contact.place_id or case.place_id,
        categories=cause.categories,
        subject=cause.subject,
        who=cause.who,
    )
    if place is not None and place.kind == "district" and case.tier != "district":
        case.place_id, case.tier = place.id, place.kind
    await sharing.note_told(session, case, contact, was=was, now=now)
    if case.state == ACCEPTED:
        case.state = OPEN


async def raise_by_person(
    session: AsyncSession,
    policy: AlertPolicy,
    by: StaffView,
    case: Case,
    *,
    level: str,
    now: datetime,
) -> None:
    """Raise a case that a person works on and judged higher; who asks has checked the right.

    They go on working on it, so it waits for nobody; but the groups of its new level are called
    once, because such a level is more than one person's.
    """
    was = case.level, case.tier
    case.level = highest((case.level, level))
    _note(session, case, "raised", now, staff_id=by.id, level=case.level)
    contact = await session.get_one(Contact, case.contact_id)
    await sharing.note_told(session, case, contact, was=was, now=now)
    if ladder.climbs(case.level):
        key = f"judged:{ladder.round_key(case)}"
        await alerts.raise_alerts(session, policy, case, step=0, key=key, now=now)


def _describe(case: Case, cause: Cause) -> None:
    """Take over what a danger of at least the case's level is about.

    Guardians whom an earlier danger barred stay barred: only a person lets them be told again.
    """
    if not cause.categories:
        return
    case.family = family_of(cause.categories)
    case.subject = cause.subject
    if cause.who:
        case.speaker = speaker_of(cause.who)


def _note(
    session: AsyncSession,
    case: Case,
    kind: str,
    now: datetime,
    *,
    staff_id: int | None = None,
    message_id: int | None = None,
    **data: object,
) -> None:
    session.add(
        CaseEvent(
            case_id=case.id,
            at=now,
            kind=kind,
            staff_id=staff_id,
            message_id=message_id,
            data=dict(data),
        )
    )


async def add_message(session: AsyncSession, case: Case, message_id: int, *, now: datetime) -> None:
    """Note that the contact of a case has written again, and tell open pages."""
    priority.heard(case, await session.get_one(Message, message_id))
    _note(session, case, "message", now, message_id=message_id)
    await publish(session, "conversation", place_id=case.place_id, case_id=case.id, now=now)


async def tell(session: AsyncSession, contact_id: int, phrase: str, *, now: datetime) -> None:
    """Queue a fixed sentence to a contact about what a person just did."""
    key = f"tell:{contact_id}:{phrase}:{int(now.timestamp() * 1000)}"
    payload = {"contact": contact_id, "phrase": phrase}
    await enqueue(session, "contact.tell", payload, key=key, now=now, prio=1)


async def accept(session: AsyncSession, by: StaffView, case_id: int, *, now: datetime) -> Case:
    """Accept an open case; the ladder stops in the same transaction.

    Raises:
        NotFound: no such case within the person's reach.
        Conflict: somebody else accepted or closed it first.
    """
    await case_rights.to_work(session, by, await session.get(Case, case_id))
    changed = await session.scalar(
        update(Case)
        .where(Case.id == case_id, Case.state == OPEN)
        .values(state=ACCEPTED, accepted_by=by.id, accepted_at=now)
        .returning(Case.id)
    )
    case = await session.get_one(Case, case_id, populate_existing=True)
    if changed is None:
        raise Conflict(f"case {case_id} is {case.state}")
    await ladder.stop(session, case.id, now=now)
    await offers.over(session, case.id, by_id=by.id, now=now)
    _note(session, case, "accepted", now, staff_id=by.id)
    await tell(session, case.contact_id, "case.accepted", now=now)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return case


async def close(
    session: AsyncSession,
    by: StaffView,
    case_id: int,
    *,
    reason: str,
    note: str,
    now: datetime,
) -> Case:
    """Close an accepted case with a reason; only a named person does this.

    The parent, who was told that a teacher has it, is told that it ends here.

    Raises:
        NotFound: no such case within the person's reach.
        InputInvalid: an unknown reason, or a level 3 without a note.
        Conflict: nobody has accepted it, it is closed already, or (`steps_missing`) a step before
            closing is neither done nor left out with a reason.
    """
    await case_rights.to_work(session, by, await session.get(Case, case_id))
    case = await session.get_one(Case, case_id, with_for_update=True, populate_existing=True)
    if reason not in CLOSE_REASONS or (reason == "drill") != case.drill:
        raise InputInvalid("unknown reason", field="reason")
    if rank(case.level) >= rank("3") and not note.strip():
        raise InputInvalid("a level 3 case needs a note", field="note")
    if case.state != ACCEPTED:
        raise Conflict(f"case {case_id} is {case.state}")
    if await case_steps.missing(session, case):
        raise Conflict("steps_missing")
    case.state, case.closed_by, case.closed_at = CLOSED, by.id, now
    case.close_reason, case.close_note = reason, note
    await ladder.stop(session, case.id, now=now)
    await offers.over(session, case.id, by_id=by.id, now=now)
    _note(session, case, "closed", now, staff_id=by.id, reason=reason, level=case.level)
    await follow_ups.plan(session, case, by=by.id, now=now)
    if not case.drill:
        await tell(session, case.contact_id, "case.closed", now=now)
    else:
        # By name: `bot.services.drills` opens cases and knows this module.
        payload: dict[str, object] = {"case": case.id}
        await enqueue(session, "drill.look", payload, key=f"drill.closed:{case.id}", now=now)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return case
