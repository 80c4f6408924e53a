"""The counselors' desk: what the queue shows, and which readings are in the audit trail.

Called by the desk's pages. Who sees how much of a case says `bot.services.case_rights`; of what the
district may not see it sees counts, and nobody else anything. Source: DOMAIN §4, row "Access".
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import OVERDUE, Clock, most_pressing
from bot.core.errors import Conflict
from bot.core.levels import ESCALATED, rank
from bot.db.models import Assessment, AuditEntry, Case, Contact, Delivery, Message, Place, Staff
from bot.db.models.case import ACCEPTED, CLOSED, OPEN
from bot.services import audit, case_times, level_words, offers, priority, read_reasons, rights
from bot.services.case_rights import DISTRICT, SUMMARY, SUMMARY_OF, TEXT, scope_of
from bot.services.offers import Running
from bot.services.staff import StaffView

CLOSED_SHOWN = timedelta(hours=24)
CLOSED_LIMIT = 20
WORDS_SHOWN = 4
EXCERPT = 60
READ_WINDOW = timedelta(minutes=10)
REPEAT_WINDOW = timedelta(seconds=20)
REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One case as the queue shows it.

    Args:
        level: what it is ordered by: the machine's level, or a person's that is higher.
        level_text: the same in the words of its place, with the direction.
        words: what fired, in the parent's words; empty in a summary.
        excerpt: the beginning of the newest message that fired; `with_excerpts` fills it in.
        since: the moment from which the wait counts.
        reasons: codes of what puts it before others of its level; a summary leaves out those that
            tell what the parent wrote.
        clock: the time limit that presses most; None: none runs.
        offer: who is being asked about it just now.
        second: the second person, empty for none.
        judged: a person's level in the place's words, empty for none.
        people: who has it and the second person; 0 for none.
        mine: the viewer is one of them; `queue` leaves it open, `seen_by` says it.
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
    place_id: int | None = None
    level_text: str = ""
    judged: str = ""
    second: str = ""
    clock: Clock | None = None
    offer: Running | None = None
    people: tuple[int, int] = (0, 0)

    def seen_by(self, staff_id: int) -> "QueueRow":
        """Return the row as this person sees it: whether it is theirs."""
        mine = staff_id in self.people
        return self if mine == self.mine else replace(self, mine=mine)


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of one viewer: rows by state; level, then priority, then the longest wait.

    Args:
        counts: for the district, how many real cases there are besides, by level and state.
    """

    open: tuple[QueueRow, ...]
    accepted: tuple[QueueRow, ...]
    closed: tuple[QueueRow, ...]
    counts: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class _Beside:
    """What the rows show beside what stands in the cases themselves, read for all at once."""

    places: Mapping[int | None, tuple[str, str]]
    words: Mapping[int, tuple[str, ...]]
    names: Mapping[int, str]
    levels: Mapping[int | None, Mapping[str, str]]
    clocks: Mapping[int, Sequence[Clock]]
    offers: Mapping[int, Running]


async def queue(session: AsyncSession, viewer: StaffView, *, now: datetime) -> Queue:
    """Return the cases a person may see, the most urgent first; without excerpts."""
    cases = await _candidates(session, viewer, now)
    places = await place_names(session, {case.place_id for case in cases})
    scopes = {c.id: scope_of(viewer, c, places.get(c.place_id, ("", ""))[0]) for c in cases}
    seen = [case for case in cases if scopes[case.id] is not None]
    texts = [case for case in seen if scopes[case.id] == TEXT]
    beside = await _beside(session, seen, texts, places, now)
    rows: dict[str, list[QueueRow]] = {OPEN: [], ACCEPTED: [], CLOSED: []}
    for case in seen:
        rows[case.state].append(_row(case, scopes[case.id] == TEXT, beside))
    urgent = [sorted(rows[state], key=urgency) for state in (OPEN, ACCEPTED)]
    closed = sorted(rows[CLOSED], key=lambda row: row.closed_at or now, reverse=True)
    counted = viewer.at(DISTRICT)
    unseen = Counter(
        (c.level, c.state)
        for c in cases
        if scopes[c.id] is None and c.place_id in counted and not c.drill
    )
    return Queue(tuple(urgent[0]), tuple(urgent[1]), tuple(closed[:CLOSED_LIMIT]), unseen)


def urgency(row: QueueRow) -> tuple[bool, int, int, datetime, int]:
    """Return what the queue is sorted by: level, then priority, then waiting time.

    Every real case stands before a drill of whatever level.
    """
    return row.drill, -rank(row.level), -row.priority, row.since, row.case_id


async def _candidates(session: AsyncSession, viewer: StaffView, now: datetime) -> list[Case]:
    own: list[ColumnElement[bool]] = [Case.place_id.in_(rights.places_for(viewer, SUMMARY_OF))]
    if DISTRICT in viewer.roles:
        own.append(Case.place_id.is_(None))
    rows = await session.scalars(
        select(Case).where(
            or_(*own), or_(Case.state != CLOSED, Case.closed_at > now - CLOSED_SHOWN)
        )
    )
    return list(rows)


async def _beside(
    session: AsyncSession,
    cases: Sequence[Case],
    texts: Sequence[Case],
    places: Mapping[int | None, tuple[str, str]],
    now: datetime,
) -> _Beside:
    running = [case for case in cases if case.state != CLOSED]
    people = {person for case in cases for person in (case.accepted_by, case.second_id)}
    return _Beside(
        places,
        await _words(session, texts),
        await staff_names(session, people),
        await level_words.shown_many(session, {case.place_id for case in cases}),
        await case_times.of_cases(session, running, now=now),
        await offers.running(session, [c.id for c in cases if c.state == OPEN], now=now),
    )


def _row(case: Case, text: bool, beside: _Beside) -> QueueRow:
    level = priority.standing(case)
    words = beside.levels[case.place_id]
    pressing = most_pressing(beside.clocks.get(case.id, ()))
    reasons = case.priority_reasons if text else priority.wordless(case.priority_reasons)
    return QueueRow(
        case_id=case.id,
        scope=TEXT if text else SUMMARY,
        level=level,
        family=case.family,
        speaker=case.speaker,
        subject=case.subject,
        origin=case.origin,
        state=case.state,
        place=beside.places.get(case.place_id, ("", ""))[1],
        words=beside.words.get(case.id, ()),
        excerpt="",
        since=case.raised_at,
        overdue=pressing is not None and pressing.state == OVERDUE,
        phone_now=case.phone_now,
        uncovered=case.uncovered,
        drill=case.drill,
        step=case.step,
        accepted_by=beside.names.get(case.accepted_by or 0, ""),
        mine=False,
        closed_at=case.closed_at,
        close_reason=case.close_reason or "",
        priority=case.priority,
        reasons=tuple(reasons),
        place_id=case.place_id,
        level_text=words[level],
        judged=words[case.judged_level] if case.judged_level else "",
        second=beside.names.get(case.second_id or 0, ""),
        clock=pressing,
        offer=beside.offers.get(case.id),
        people=(case.accepted_by or 0, case.second_id or 0),
    )


async def _words(session: AsyncSession, cases: Sequence[Case]) -> dict[int, tuple[str, ...]]:
    """Return for each case the words that fired, newest first."""
    found: dict[int, dict[str, None]] = {case.id: {} for case in cases}
    for case, judged in await _fired(session, cases):
        found[case.id] |= dict.fromkeys(str(span.get("text", "")) for span in judged.spans)
    return {
        case_id: tuple(word for word in words if word)[:WORDS_SHOWN]
        for case_id, words in found.items()
    }


async def _fired(session: AsyncSession, cases: Sequence[Case]) -> list[tuple[Case, Assessment]]:
    """Return what opened or raised these cases, the newest assessment first."""
    if not cases:
        return []
    rows = await session.scalars(
        select(Assessment)
        .where(
            Assessment.contact_id.in_({case.contact_id for case in cases}),
            or_(
                Assessment.created_at >= min(case.opened_at for case in cases),
                Assessment.message_id.in_([c.message_id for c in cases if c.message_id]),
            ),
        )
        .order_by(Assessment.id.desc())
    )
    of: dict[int, list[Case]] = {}
    for case in cases:
        of.setdefault(case.contact_id, []).append(case)
    return [
        (case, judged) for judged in rows for case in of[judged.contact_id] if belongs(case, judged)
    ]


async def with_excerpts(session: AsyncSession, rows: Sequence[QueueRow]) -> list[QueueRow]:
    """Return rows with the beginning of the newest message that fired, where words are shown."""
    ids = [row.case_id for row in rows if row.scope == TEXT]
    if not ids:
        return list(rows)
    cases = await session.scalars(select(Case).where(Case.id.in_(ids)))
    newest: dict[int, int] = {}
    for case, judged in await _fired(session, cases.all()):
        newest.setdefault(case.id, judged.message_id)
    found = await session.execute(
        select(Message.id, Message.text).where(Message.id.in_(newest.values()))
    )
    texts = {row.id: shortened(row.text) for row in found}
    return [
        replace(row, excerpt=texts.get(newest.get(row.case_id, 0), ""))
        if row.scope == TEXT
        else row
        for row in rows
    ]


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
    session: AsyncSession, by: StaffView, case_ids: Sequence[int], *, action: str, now: datetime
) -> list[int]:
    """Return the cases whose showing is not in the audit trail yet.

    A page that refreshes itself shows the same case to the same person again and again: within
    ten minutes that is one read.
    """
    if not case_ids:
        return []
    rows = await session.scalars(
        select(AuditEntry.object_id).where(
            AuditEntry.staff_id == by.id,
            AuditEntry.at > now - READ_WINDOW,
            AuditEntry.action == action,
            AuditEntry.object_kind == "case",
            AuditEntry.object_id.in_(case_ids),
        )
    )
    known = set(rows)
    return [case_id for case_id in case_ids if case_id not in known]


async def log_reads(
    session: AsyncSession, by: StaffView, case_ids: Sequence[int], *, action: str, now: datetime
) -> None:
    """Write into the audit trail that a person was shown these cases."""
    said = {case_id: await read_reasons.said(session, by, case_id, now=now) for case_id in case_ids}
    await audit.record_each(
        session, staff_id=by.id, action=action, object_kind="case", objects=said, now=now
    )


async def refuse_repeat(
    session: AsyncSession, by: StaffView, contact_id: int, *, text: str, now: datetime
) -> None:
    """Refuse words that the same person has just sent to the same contact (a double click).

    Raises:
        Conflict: the same words are on their way already.
    """
    await session.get(Contact, contact_id, with_for_update=True)
    rows = await session.scalars(
        select(Delivery).where(
            Delivery.contact_id == contact_id,
            Delivery.staff_id == by.id,
            Delivery.created_at > now - REPEAT_WINDOW,
        )
    )
    if any(row.body == text.strip() for row in rows):
        raise Conflict(REPEAT)
