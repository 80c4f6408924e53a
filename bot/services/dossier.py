"""What a case's page shows: why it fired, the conversation, the deliveries, the timeline.

Called by the desk's pages, after `bot.services.desk` has said that the person may read the words.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Assessment, Case, CaseEvent, Contact, Delivery, Message, RuleCase
from bot.db.models.delivery import ALERT, API, QUEUED, SENDING
from bot.services import contacts, desk

HISTORY = 200
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


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert to a duty group and what became of it."""

    at: datetime
    target: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline.

    Args:
        groups: how many duty groups an alert went to; None for other lines.
    """

    at: datetime
    kind: str
    author: str
    level: str
    target: str
    reason: str
    groups: int | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything of one case for one reader.

    Args:
        budget: messages the platform still takes now, those under way counted; None where it does
            not count. `window_until` ends it.
    """

    case: Case
    contact: Contact
    place: str
    accepted_by: str
    holder: str
    budget: int | None
    reasons: tuple[Reason, ...]
    lines: tuple[Line, ...]
    alerts: tuple[Alert, ...]
    steps: tuple[Step, ...]


async def dossier(session: AsyncSession, case: Case, *, now: datetime) -> Dossier:
    """Collect the page of one case."""
    contact = await session.get_one(Contact, case.contact_id)
    messages = await _messages(session, contact.id)
    said = await _deliveries(session, contact.id)
    judged = await _assessments(session, contact.id)
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
        },
    )
    place_id = contact.place_id or case.place_id
    places = await desk.place_names(session, {place_id})
    lines = [_heard(row, judged.get(row.id), _mark(marked.get(row.id), names)) for row in messages]
    lines += [_spoken(row, names) for row in said]
    under_way = sum(row.route == API and row.state in (QUEUED, SENDING) for row in said)
    budget = contacts.budget_left(contact, now)
    return Dossier(
        case=case,
        contact=contact,
        place=places.get(place_id, ("", ""))[1],
        accepted_by=names.get(case.accepted_by or 0, ""),
        holder=names.get(contact.holder_id or 0, ""),
        budget=None if budget is None else max(0, budget - under_way),
        reasons=tuple(_reason(row) for row in judged.values() if desk.belongs(case, row)),
        lines=tuple(sorted(lines, key=lambda line: line.at)),
        alerts=tuple(await _alerts(session, case.id)),
        steps=tuple(_step(event, names) for event in events),
    )


async def _messages(session: AsyncSession, contact_id: int) -> list[Message]:
    query = select(Message).where(Message.contact_id == contact_id)
    rows = await session.scalars(query.order_by(Message.id.desc()).limit(HISTORY))
    return list(reversed(rows.all()))


async def _deliveries(session: AsyncSession, contact_id: int) -> list[Delivery]:
    # A class's notices are no part of the conversation; their words stand elsewhere.
    query = select(Delivery).where(Delivery.contact_id == contact_id, Delivery.notice_id.is_(None))
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


async def _alerts(session: AsyncSession, case_id: int) -> list[Alert]:
    query = select(Delivery).where(Delivery.case_id == case_id, Delivery.route == ALERT)
    rows = await session.scalars(query.order_by(Delivery.id))
    return [Alert(row.created_at, row.target, row.state, row.reason) for row in rows]


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
    groups = event.data.get("n")
    return Step(
        at=event.at,
        kind=event.kind,
        author=names.get(event.staff_id or 0, ""),
        groups=groups if isinstance(groups, int) else None,
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


def _spoken(row: Delivery, names: Mapping[int, str]) -> Line:
    return Line(
        at=row.created_at,
        side="bot" if row.staff_id is None else "person",
        kind=row.kind,
        parts=((_ADDRESS.sub("/p/…", row.body), False),),
        author=names.get(row.staff_id or 0, ""),
        route=row.route,
        state=row.state,
        reason=row.reason,
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
