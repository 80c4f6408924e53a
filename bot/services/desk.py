"""The counselors' desk: who may see which case, and what the queue and a case's page show.

Called by the desk's pages. A counselor sees the cases of their own schools; a lead sees a summary
of level 3 without any words; the district sees level 3 with words, everything that stands on its
own desk (adults' own risk, contacts without a place), and counts of the rest. Nobody else sees
anything of a case. Source: DOMAIN §4, row "Access".
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, NotFound
from bot.core.levels import ESCALATED, rank
from bot.db.models import Assessment, AuditEntry, Case, Contact, Delivery, Message, Place, Staff
from bot.db.models.case import ACCEPTED, CLOSED, OPEN
from bot.services import audit, priority
from bot.services.staff import StaffView

TEXT, SUMMARY = "text", "summary"
CLOSED_SHOWN = timedelta(hours=24)
CLOSED_LIMIT = 20
WORDS_SHOWN = 4
EXCERPT = 60
READ_WINDOW = timedelta(minutes=10)
REPEAT_WINDOW = timedelta(seconds=20)
# Within which a person has to accept (DOMAIN §2.2).
ACCEPT_WITHIN: Mapping[str, timedelta] = {
    "3!": timedelta(minutes=1),
    "3": timedelta(minutes=5),
    "2": timedelta(minutes=30),
}


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One case as the queue shows it.

    Args:
        words: what fired, in the parent's words; empty in a summary.
        excerpt: the beginning of the newest message that fired.
        since: the moment from which the wait counts.
        reasons: codes of what puts it before others of its level; a summary leaves out those that
            tell what the parent wrote.
    """

    case_id: int
    scope: str
    level: str
    family: str
    speaker: str
    subject: str
    origin: str
    state: str
    place: str
    words: tuple[str, ...]
    excerpt: str
    since: datetime
    overdue: bool
    phone_now: bool
    uncovered: bool
    drill: bool
    step: int
    accepted_by: str
    mine: bool
    closed_at: datetime | None
    close_reason: str
    priority: int = 0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of one viewer: rows by state; level, then priority, then the longest wait.

    Args:
        counts: for the district, how many cases there are besides, by level and state.
    """

    open: tuple[QueueRow, ...]
    accepted: tuple[QueueRow, ...]
    closed: tuple[QueueRow, ...]
    counts: Mapping[tuple[str, str], int]

    @property
    def case_ids(self) -> tuple[int, ...]:
        """Return the cases whose words are shown."""
        rows = (*self.open, *self.accepted, *self.closed)
        return tuple(row.case_id for row in rows if row.scope == TEXT)


def scope_of(viewer: StaffView, case: Case, place_kind: str | None) -> str | None:
    """Return how much of a case a person may see: `text`, `summary` or None.

    Args:
        place_kind: kind of the case's place; None for a case without a place.
    """
    if case.place_id is not None and case.place_id in viewer.at("counselor"):
        return TEXT
    high = rank(case.level) >= rank("3")
    if "district" in viewer.roles:
        if case.place_id is None:
            return TEXT
        if case.place_id in viewer.at("district") and (high or place_kind == "district"):
            return TEXT
    if high and case.place_id is not None and case.place_id in viewer.at("lead"):
        return SUMMARY
    return None


async def visible_case(
    session: AsyncSession, viewer: StaffView, case_id: int, *, words: bool = True
) -> Case:
    """Return a case that a person may see.

    Args:
        words: the parent's words are needed, a summary is not enough.

    Raises:
        NotFound: there is none, or the person may not know that there is.
    """
    case = await session.get(Case, case_id)
    if case is not None:
        place = None if case.place_id is None else await session.get(Place, case.place_id)
        scope = scope_of(viewer, case, place.kind if place else None)
        if scope == TEXT or (scope == SUMMARY and not words):
            return case
    raise NotFound(f"case {case_id}")


async def queue(session: AsyncSession, viewer: StaffView, *, now: datetime) -> Queue:
    """Return the cases a person may see, the most urgent first."""
    cases = await _candidates(session, viewer, now)
    places = await place_names(session, {case.place_id for case in cases})
    scopes = {c.id: scope_of(viewer, c, places.get(c.place_id, ("", ""))[0]) for c in cases}
    words = await _words(session, [case for case in cases if scopes[case.id] == TEXT])
    names = await staff_names(session, {case.accepted_by for case in cases})
    rows: dict[str, list[QueueRow]] = {OPEN: [], ACCEPTED: [], CLOSED: []}
    for case in cases:
        scope = scopes[case.id]
        if scope is not None:
            place = places.get(case.place_id, ("", ""))[1]
            fired, excerpt = words.get(case.id, ((), ""))
            rows[case.state].append(_row(case, scope, place, fired, excerpt, names, viewer.id, now))
    urgent = [sorted(rows[state], key=urgency) for state in (OPEN, ACCEPTED)]
    closed = sorted(rows[CLOSED], key=lambda row: row.closed_at or now, reverse=True)
    counted = viewer.at("district")
    unseen = Counter(
        (c.level, c.state) for c in cases if scopes[c.id] is None and c.place_id in counted
    )
    return Queue(tuple(urgent[0]), tuple(urgent[1]), tuple(closed[:CLOSED_LIMIT]), unseen)


def urgency(row: QueueRow) -> tuple[int, int, datetime]:
    """Return what the queue is sorted by: level, then priority, then waiting time."""
    return -rank(row.level), -row.priority, row.since


async def _candidates(session: AsyncSession, viewer: StaffView, now: datetime) -> list[Case]:
    own: list[ColumnElement[bool]] = [Case.place_id.in_(viewer.at("counselor", "lead", "district"))]
    if "district" in viewer.roles:
        own.append(Case.place_id.is_(None))
    rows = await session.scalars(
        select(Case).where(
            or_(*own), or_(Case.state != CLOSED, Case.closed_at > now - CLOSED_SHOWN)
        )
    )
    return list(rows)


def _row(
    case: Case,
    scope: str,
    place: str,
    fired: tuple[str, ...],
    excerpt: str,
    names: Mapping[int, str],
    viewer_id: int,
    now: datetime,
) -> QueueRow:
    limit = ACCEPT_WITHIN.get(case.level)
    return QueueRow(
        case_id=case.id,
        scope=scope,
        level=case.level,
        family=case.family,
        speaker=case.speaker,
        subject=case.subject,
        origin=case.origin,
        state=case.state,
        place=place,
        words=fired,
        excerpt=excerpt,
        since=case.raised_at,
        overdue=case.state == OPEN and limit is not None and now - case.raised_at > limit,
        phone_now=case.phone_now,
        uncovered=case.uncovered,
        drill=case.drill,
        step=case.step,
        accepted_by=names.get(case.accepted_by or 0, ""),
        mine=case.accepted_by == viewer_id,
        closed_at=case.closed_at,
        close_reason=case.close_reason or "",
        priority=case.priority,
        reasons=tuple(
            case.priority_reasons if scope == TEXT else priority.wordless(case.priority_reasons)
        ),
    )


async def _words(
    session: AsyncSession, cases: Sequence[Case]
) -> dict[int, tuple[tuple[str, ...], str]]:
    """Return for each case the words that fired, newest first, and an excerpt of its message."""
    contacts = {case.contact_id for case in cases}
    earliest = min((case.opened_at for case in cases), default=None)
    if earliest is None:
        return {}
    found = await session.execute(
        select(Assessment, Message)
        .join(Message, Message.id == Assessment.message_id)
        .where(
            Assessment.contact_id.in_(contacts),
            or_(
                Assessment.created_at >= earliest,
                Assessment.message_id.in_([c.message_id for c in cases if c.message_id]),
            ),
        )
        .order_by(Assessment.id.desc())
    )
    pairs = [(row.Assessment, row.Message) for row in found]
    return {case.id: _words_of(case, pairs) for case in cases}


def _words_of(
    case: Case, pairs: Iterable[tuple[Assessment, Message]]
) -> tuple[tuple[str, ...], str]:
    fired: dict[str, None] = {}
    excerpt = ""
    for judged, message in pairs:
        if judged.contact_id != case.contact_id or not belongs(case, judged):
            continue
        fired |= dict.fromkeys(str(span.get("text", "")) for span in judged.spans)
        excerpt = excerpt or shortened(message.text)
    fired.pop("", None)
    return tuple(fired)[:WORDS_SHOWN], excerpt


def shortened(text: str) -> str:
    """Return the beginning of a text on one line."""
    plain = " ".join(text.split())
    return plain if len(plain) <= EXCERPT else f"{plain[:EXCERPT]}…"


def belongs(case: Case, judged: Assessment) -> bool:
    """Say whether an assessment is one of those that opened or raised a case."""
    if judged.message_id == case.message_id:
        return True
    late = case.closed_at is not None and judged.created_at > case.closed_at
    fired = judged.fresh_level in ESCALATED or judged.failed
    return fired and judged.created_at >= case.opened_at and not late


async def place_names(
    session: AsyncSession, ids: Iterable[int | None]
) -> dict[int | None, tuple[str, str]]:
    """Return kind and full name (school and class, without the district) of places."""
    wanted = [place_id for place_id in ids if place_id is not None]
    if not wanted:
        return {}
    found = (await session.scalars(select(Place).where(Place.id.in_(wanted)))).all()
    chain = {int(part) for place in found for part in place.path.split("/") if part}
    rows = await session.scalars(select(Place).where(Place.id.in_(chain)))
    by_id = {place.id: place for place in rows}
    names: dict[int | None, tuple[str, str]] = {}
    for place in found:
        above = [by_id[int(part)] for part in place.path.split("/") if part and int(part) in by_id]
        parts = [p.name for p in above if p.kind != "district"] or [place.name]
        names[place.id] = (place.kind, " ".join(parts))
    return names


async def staff_names(session: AsyncSession, ids: Iterable[int | None]) -> dict[int, str]:
    """Return the names of members of staff."""
    wanted = [staff_id for staff_id in ids if staff_id is not None]
    if not wanted:
        return {}
    rows = await session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(wanted)))
    return {row.id: row.name for row in rows}


async def unlogged_reads(
    session: AsyncSession, *, staff_id: int, action: str, case_ids: Sequence[int], now: datetime
) -> list[int]:
    """Return the cases whose showing is not in the audit trail yet.

    A page that refreshes itself shows the same case to the same person again and again: within
    ten minutes that is one read.
    """
    if not case_ids:
        return []
    rows = await session.scalars(
        select(AuditEntry.object_id).where(
            AuditEntry.staff_id == staff_id,
            AuditEntry.at > now - READ_WINDOW,
            AuditEntry.action == action,
            AuditEntry.object_kind == "case",
            AuditEntry.object_id.in_(case_ids),
        )
    )
    known = set(rows)
    return [case_id for case_id in case_ids if case_id not in known]


async def log_reads(
    session: AsyncSession, *, staff_id: int, action: str, case_ids: Sequence[int], now: datetime
) -> None:
    """Write into the audit trail that a person was shown these cases."""
    for case_id in case_ids:
        await audit.record(
            session,
            staff_id=staff_id,
            action=action,
            object_kind="case",
            object_id=case_id,
            now=now,
        )


async def refuse_repeat(
    session: AsyncSession, *, contact_id: int, staff_id: int, text: str, now: datetime
) -> None:
    """Refuse words that the same person has just sent to the same contact (a double click).

    Raises:
        Conflict: the same words are on their way already.
    """
    await session.get(Contact, contact_id, with_for_update=True)
    rows = await session.scalars(
        select(Delivery).where(
            Delivery.contact_id == contact_id,
            Delivery.staff_id == staff_id,
            Delivery.created_at > now - REPEAT_WINDOW,
        )
    )
    if any(row.body == text.strip() for row in rows):
        raise Conflict("repeat")
