"""What a case's page shows: why it fired, the conversation, the deliveries, the timeline.

Called by the desk's pages, and by `bot.web.permits` for somebody who has leave to read one case.
Who works on a case sees the conversation as far as it is kept. Who has a permit sees what it is
for: from a day before the case was opened (what the screen read with it) until it was closed, no
other case, and nothing that is not for their desk (a teacher's misconduct, an adult's own risk).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotAllowed
from bot.db.models import (
    Assessment,
    Case,
    CaseEvent,
    Contact,
    Delivery,
    Message,
    ReadPermit,
    RuleCase,
)
from bot.db.models.delivery import API, QUEUED, SENDING
from bot.services import (
    case_rights,
    contacts,
    desk,
    permits,
    read_states,
    routing,
    set_aside,
    sharing,
)
from bot.services.read_states import Asked
from bot.services.staff import StaffView

HISTORY = 200
# What was said so long before a case was opened belongs to it: the screen read it too.
LEAD = timedelta(hours=24)
_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
# A link to a parent's own page opens for whoever comes first: that may not be the desk.
_ADDRESS = re.compile(r"/p/[A-Za-z0-9_-]{40,}")


@dataclass(frozen=True, slots=True)
class Reason:
    """One judgement of the screen behind a case."""

    at: datetime
    level: str
    fresh_level: str
    categories: tuple[str, ...]
    words: tuple[str, ...]
    reasons: tuple[str, ...]
    rule_ids: tuple[str, ...]
    rule_version: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """What a person said about the judgement of one message."""

    kind: str
    expected_level: str
    author: str
    staff_id: int
    state: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation.

    Args:
        side: `parent`, `bot` or `person`.
        parts: the text in pieces, each with whether it fired.
        state: of the delivery; empty for the parent's own line.
        delivery_id: of words about which the reader may ask whether they have been read, else 0.
        asked: the newest such question.
        fresh: level that the screen gave this message itself; empty where there is nothing to mark.
    """

    at: datetime
    side: str
    kind: str
    parts: tuple[tuple[str, bool], ...]
    author: str = ""
    level: str = "0"
    group: bool = False
    route: str = ""
    state: str = ""
    reason: str = ""
    message_id: int = 0
    fresh: str = ""
    mark: Mark | None = None
    delivery_id: int = 0
    read_at: datetime | None = None
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline.

    Args:
        groups: how many duty groups an alert went to; None for other lines.
        what: code of what the line is about, worded by the area that wrote it.
        to: whom it names beside its author.
    """

    at: datetime
    kind: str
    author: str
    level: str
    target: str
    reason: str
    groups: int | None
    what: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything of one case for one reader.

    Args:
        emergency_contact: also one that an erasure had to lay aside.
        words_since: without consent 3 the district reads from here on only; None: all of it.
        budget: messages the platform still takes now, those under way counted; None where it does
            not count. `window_until` ends it.
    """

    case: Case
    contact: Contact
    place: str
    accepted_by: str
    holder: str
    emergency_contact: str
    words_since: datetime | None
    budget: int | None
    reasons: tuple[Reason, ...]
    lines: tuple[Line, ...]
    steps: tuple[Step, ...]


async def dossier(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    *,
    now: datetime,
    permit: ReadPermit | None = None,
) -> Dossier:
    """Collect the page of one case.

    Args:
        permit: by which somebody reads who does not work on the case.

    Raises:
        NotFound: without a permit, the case is out of the person's reach.
        NotAllowed: the permit is not theirs, not for this case, or not open.
    """
    if permit is None:
        await case_rights.visible(session, by, case.id)
    elif not permits.covers(by, permit, permits.CASE, case.id, now):
        raise NotAllowed("no permit is open")
    contact = await session.get_one(Contact, case.contact_id)
    span = _EVER if permit is None else await _span(session, case)
    since = await sharing.words_since(session, case, contact)
    if since is not None:
        span = (max(span[0], since), span[1])
    aside = await set_aside.look(session, contact.id)
    messages = await _messages(session, contact.id, span)
    said = await _deliveries(session, contact.id, span)
    judged = await _assessments(session, contact.id)
    if permit is not None:
        hidden = {row.message_id for row in judged.values() if not _for_reader(by, case, row)}
        messages = [row for row in messages if row.id not in hidden]
        said = [row for row in said if row.message_id not in hidden]
        judged = {row.id: judged[row.id] for row in messages if row.id in judged}
    events = await _events(session, case.id)
    marked = await _marked(session, [row.id for row in messages])
    names = await desk.staff_names(
        session,
        {
            *(row.staff_id for row in marked.values()),
            case.accepted_by,
            contact.holder_id,
            *(row.staff_id for row in said),
            *(event.staff_id for event in events),
            *(to for event in events if isinstance(to := event.data.get("to"), int)),
        },
    )
    place_id = contact.place_id or (aside.place_id if aside else None) or case.place_id
    places = await desk.place_names(session, {place_id})
    lines = [_heard(row, judged.get(row.id), _mark(marked.get(row.id), names)) for row in messages]
    asked = read_states.newest(events)
    lines += [
        _spoken(row, names, asked.get(row.id), read_states.askable(row, contact, by, now))
        for row in said
    ]
    under_way = sum(row.route == API and row.state in (QUEUED, SENDING) for row in said)
    budget = contacts.budget_left(contact, now)
    return Dossier(
        case=case,
        contact=contact,
        place=places.get(place_id, ("", ""))[1],
        accepted_by=names.get(case.accepted_by or 0, ""),
        holder=names.get(contact.holder_id or 0, ""),
        emergency_contact=contact.emergency_contact
        or (aside.claim.get("emergency_contact", "") if aside else ""),
        words_since=since,
        budget=None if budget is None else max(0, budget - under_way),
        reasons=tuple(_reason(row) for row in judged.values() if desk.belongs(case, row)),
        lines=tuple(sorted(lines, key=lambda line: line.at)),
        steps=tuple(_step(event, names) for event in events),
    )


async def _span(session: AsyncSession, case: Case) -> tuple[datetime, datetime]:
    """Return from when until when the words of a contact belong to a case."""
    before = await session.scalar(
        select(func.max(Case.closed_at)).where(
            Case.contact_id == case.contact_id, Case.id < case.id, Case.closed_at.is_not(None)
        )
    )
    since = case.opened_at - LEAD
    return max(since, before or since), case.closed_at or _EVER[1]


def _for_reader(by: StaffView, case: Case, judged: Assessment) -> bool:
    """Say whether a message may be shown to somebody with a permit for a case."""
    if case.place_id in by.at(case_rights.DISTRICT):
        return True
    desk_kind = routing.desk_kind(judged.categories, subject=judged.subject, who=judged.who)
    return desk_kind != case_rights.DISTRICT


async def _messages(
    session: AsyncSession, contact_id: int, span: tuple[datetime, datetime]
) -> list[Message]:
    query = select(Message).where(
        Message.contact_id == contact_id, Message.received_at.between(*span)
    )
    rows = await session.scalars(query.order_by(Message.id.desc()).limit(HISTORY))
    return list(reversed(rows.all()))


async def _deliveries(
    session: AsyncSession, contact_id: int, span: tuple[datetime, datetime]
) -> list[Delivery]:
    # A class's notices are no part of the conversation; their words stand elsewhere.
    query = select(Delivery).where(
        Delivery.contact_id == contact_id,
        Delivery.notice_id.is_(None),
        Delivery.created_at.between(*span),
    )
    rows = await session.scalars(query.order_by(Delivery.id.desc()).limit(HISTORY))
    return list(reversed(rows.all()))


async def _assessments(session: AsyncSession, contact_id: int) -> dict[int, Assessment]:
    query = select(Assessment).where(Assessment.contact_id == contact_id)
    rows = await session.scalars(query.order_by(Assessment.id.desc()).limit(HISTORY))
    return {row.message_id: row for row in rows}


async def _marked(session: AsyncSession, message_ids: Sequence[int]) -> dict[int, RuleCase]:
    query = select(RuleCase).where(RuleCase.message_id.in_(message_ids))
    return {row.message_id or 0: row for row in await session.scalars(query)}


async def _events(session: AsyncSession, case_id: int) -> Sequence[CaseEvent]:
    query = select(CaseEvent).where(CaseEvent.case_id == case_id)
    return (await session.scalars(query.order_by(CaseEvent.id))).all()


def _reason(row: Assessment) -> Reason:
    return Reason(
        at=row.created_at,
        level=row.level,
        fresh_level=row.fresh_level,
        categories=tuple(row.categories),
        words=_unique(str(span.get("text", "")) for span in row.spans),
        reasons=tuple(row.reasons),
        rule_ids=tuple(row.rule_ids),
        rule_version=row.rule_version,
        failed=row.failed,
    )


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _step(event: CaseEvent, names: Mapping[int, str]) -> Step:
    texts = {name: str(event.data.get(name, "")) for name in ("level", "target", "reason")}
    groups, to = event.data.get("n"), event.data.get("to")
    return Step(
        at=event.at,
        kind=event.kind,
        author=names.get(event.staff_id or 0, ""),
        groups=groups if isinstance(groups, int) else None,
        what=str(event.data.get("what", "")),
        to=names.get(to, "") if isinstance(to, int) else "",
        **texts,
    )


def _mark(row: RuleCase | None, names: Mapping[int, str]) -> Mark | None:
    if row is None:
        return None
    author = names.get(row.staff_id, "")
    return Mark(row.kind, row.expected_level, author, row.staff_id, row.state)


def _heard(message: Message, judged: Assessment | None, mark: Mark | None) -> Line:
    markable = judged is not None and not judged.failed and bool(message.text)
    return Line(
        at=message.received_at,
        side="parent",
        kind=message.kind,
        parts=split(message.text, judged.spans if judged else []),
        level=message.level,
        group=message.group is not None,
        message_id=message.id,
        fresh=judged.fresh_level if judged and markable else "",
        mark=mark,
    )


def _spoken(row: Delivery, names: Mapping[int, str], asked: Asked | None, askable: bool) -> Line:
    return Line(
        at=row.created_at,
        side="bot" if row.staff_id is None else "person",
        kind=row.kind,
        parts=((_ADDRESS.sub("/p/…", row.body), False),),
        author=names.get(row.staff_id or 0, ""),
        route=row.route,
        state=row.state,
        reason=row.reason,
        delivery_id=row.id if askable else 0,
        read_at=row.read_at,
        asked=asked,
    )


def split(text: str, spans: Sequence[Mapping[str, object]]) -> tuple[tuple[str, bool], ...]:
    """Cut a text where words fired; spans may overlap or lie outside it.

    Args:
        spans: `start` and `end` (exclusive) in code points.
    """
    fired = [False] * len(text)
    for span in spans:
        start, end = span.get("start"), span.get("end")
        if isinstance(start, int) and isinstance(end, int):
            for place in range(max(0, start), min(len(text), end)):
                fired[place] = True
    pieces = groupby(zip(text, fired, strict=True), key=itemgetter(1))
    return tuple(("".join(letter for letter, _ in piece), hit) for hit, piece in pieces)
