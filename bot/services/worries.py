"""A teacher's worry about a child: into the same queue, by two taps; whoever answers first is kept.

Called by the teacher's pages, by the handler of DingTalk and by the case's page. What is chosen has
a level and categories of its own (`worries.toml`), the words beside it go through the risk screen
and may raise them. The same child within an hour adds to the case that stands open.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.levels import highest
from bot.core.privacy import clean
from bot.db.models import Case, CaseEvent, Child, Contact, Staff, Told, Worry
from bot.db.models.case import CLOSED
from bot.services import audit, care_tellers, case_rights, cases, people_desk, priority
from bot.services.alerts import AlertPolicy
from bot.services.cases import Cause
from bot.services.cases_by_hand import open_by_hand
from bot.services.live import publish
from bot.services.screening import Screened
from bot.services.staff import StaffView

RAISE = "worry.raise"
TEACHER = "T"
# The same child again within this time adds to the case.
SAME = timedelta(hours=1)
MOST_WORDS, MOST_ANSWER = 1000, 600
# Until then somebody should have answered the teacher.
ANSWER_WITHIN = {"3!": timedelta(minutes=10), "3": timedelta(minutes=10)}
ANSWER_LATER = timedelta(minutes=30)


class Judge(Protocol):
    """The risk screen, as far as it is asked here."""

    def judge(
        self, text: str, *, who: str | None, turns: tuple[str, ...], floor: str, weak_signs: int
    ) -> Screened:
        """Judge one text; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Reason:
    """One line to choose from.

    Args:
        night: the level from 22:00 to 06:00.
    """

    code: str
    text: str
    level: str
    night: str
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Raised:
    """What became of a worry.

    Args:
        fresh: False when this very worry had been sent before.
    """

    worry: Worry
    case: Case
    fresh: bool


@cache
def _data() -> Mapping[str, list[dict[str, object]]]:
    return tomllib.loads(files("bot.services").joinpath("worries.toml").read_text("utf-8"))


@cache
def reasons() -> tuple[Reason, ...]:
    """Return what can be chosen, in its order."""
    return tuple(
        Reason(
            str(row["code"]),
            str(row["text"]),
            str(row["level"]),
            str(row.get("night", row["level"])),
            tuple(str(code) for code in _list(row["categories"])),
        )
        for row in _data()["reason"]
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@cache
def answers() -> Mapping[str, str]:
    """Return the fixed sentences that a counselor may answer with, by code."""
    return {str(row["code"]): str(row["text"]) for row in _data()["answer"]}


def reason_text(code: str) -> str:
    """Return the words of a reason; an unknown code as it is."""
    return next((one.text for one in reasons() if one.code == code), code)


async def raise_worry(
    session: AsyncSession,
    policy: AlertPolicy,
    screen: Judge,
    by: StaffView,
    *,
    child_id: int,
    reason: str,
    words: str,
    key: str,
    now: datetime,
) -> Raised:
    """Put a worry into the queue; once for each key of a person.

    Args:
        reason: a code of `reasons`.
        words: what the teacher writes beside it; may be empty.
        key: of the form or message that brought it.

    Raises:
        NotFound: no such child where this person may raise one.
        InputInvalid: an unknown reason, too many words, no key.
    """
    # Locked, so that two that come at once see each other.
    child = await people_desk.reach_child(session, by, child_id, RAISE, lock=True)
    words = clean(words).strip()
    chosen = next((one for one in reasons() if one.code == reason), None)
    if chosen is None:
        raise InputInvalid("worry_reason", field="reason")
    if len(words) > MOST_WORDS:
        raise InputInvalid("worry_words", field="words")
    if not key or len(key) > 60:
        raise InputInvalid("worry_key", field="key")
    whole_key = f"{by.id}:{key}"
    known = await session.scalar(select(Worry).where(Worry.key == whole_key))
    if known is not None:
        return Raised(known, await session.get_one(Case, known.case_id), False)
    cause = _cause(chosen, screen, words, now)
    case = await _case(session, policy, by, child, cause, now=now)
    worry = Worry(
        key=whole_key,
        case_id=case.id,
        place_id=child.place_id,
        child_id=child.id,
        author_id=by.id,
        words=words,
        at=now,
    )
    session.add(worry)
    await session.flush()
    _note(session, case, "worry", by, now, worry=worry.id, reason=reason, level=cause.level)
    await _record(session, by, "worry.raised", worry, now)
    return Raised(worry, case, True)


def _cause(chosen: Reason, screen: Judge, words: str, now: datetime) -> Cause:
    level, categories = chosen.level, chosen.categories
    if priority.is_night(now):
        level = chosen.night
    if words:
        found = judged(screen, words)
        if found.escalated:
            level = highest((level, found.fresh))
            categories += found.verdict.categories if found.verdict else ()
    return Cause(level, tuple(dict.fromkeys(categories)), TEACHER, "child", "worry")


def judged(screen: Judge, words: str) -> Screened:
    """Return what the risk screen says of a teacher's words, as it judges all that comes in."""
    return screen.judge(words, who=TEACHER, turns=(), floor="0", weak_signs=0)


async def _case(
    session: AsyncSession,
    policy: AlertPolicy,
    by: StaffView,
    child: Child,
    cause: Cause,
    *,
    now: datetime,
) -> Case:
    """Return the case of a worry about this child that came within the hour, or a new one."""
    standing = await session.scalar(
        select(Case)
        .join(Worry, Worry.case_id == Case.id)
        .where(Worry.child_id == child.id, Worry.at > now - SAME, Case.state != CLOSED)
        .order_by(Case.id.desc())
        .limit(1)
    )
    if standing is None:
        return await open_by_hand(
            session,
            policy,
            by,
            place_id=child.place_id,
            level=cause.level,
            categories=cause.categories,
            origin=cause.origin,
            who=cause.who,
            child_id=child.id,
            now=now,
        )
    contact = await session.get_one(Contact, standing.contact_id)
    return await cases.open_or_raise(session, policy, contact, None, cause, now=now)


async def answer(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    worry_id: int,
    *,
    code: str,
    words: str,
    now: datetime,
) -> Worry:
    """Answer a teacher; the first answer stops the clock and is whoever gave it.

    Args:
        code: of a fixed sentence; may be empty when there are words of the counselor's own.

    Raises:
        NotFound: no such worry, or its case is out of this person's reach.
        InputInvalid: nothing was said, an unknown sentence, or too many words.
        Conflict: it was answered already (`worry_answered`).
    """
    worry = await session.get(Worry, worry_id, with_for_update=True, populate_existing=True)
    if worry is None or worry.case_id != case.id:
        raise NotFound("no such worry")
    await case_rights.to_work(session, by, case)
    if worry.answered_at is not None:
        raise Conflict("worry_answered")
    said = "\n".join(part for part in (_sentence(code), clean(words).strip()) if part)
    if not said:
        raise InputInvalid("worry_nothing", field="answer")
    if len(said) > MOST_ANSWER:
        raise InputInvalid("worry_answer_long", field="answer")
    worry.answered_at, worry.answered_by = now, by.id
    author = await session.get_one(Staff, worry.author_id)
    told = Told(
        case_id=case.id,
        staff_id=by.id,
        at=now,
        who="class_teacher",
        name=author.name,
        way="message",
        words=said,
        answer="",
        reached=True,
    )
    session.add(told)
    await session.flush()
    if case.first_words_at is None:
        case.first_words_at = now
    _note(session, case, "worry_answered", by, now, worry=worry.id, told=told.id)
    await _record(session, by, "worry.answered", worry, now)
    await care_tellers.tell_person(session, worry.author_id, "worry.answered", now=now)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return worry


def _sentence(code: str) -> str:
    if code and code not in answers():
        raise InputInvalid("worry_sentence", field="answer")
    return answers().get(code, "")


def due(worry: Worry, level: str) -> datetime:
    """Return until when a teacher should have an answer."""
    return worry.at + ANSWER_WITHIN.get(level, ANSWER_LATER)


def promised(level: str) -> int:
    """Return within how many minutes a teacher should have an answer."""
    return int(ANSWER_WITHIN.get(level, ANSWER_LATER).total_seconds() // 60)


def _note(
    session: AsyncSession, case: Case, kind: str, by: StaffView, now: datetime, **data: object
) -> None:
    event = CaseEvent(case_id=case.id, at=now, kind=kind, staff_id=by.id, data=dict(data))
    session.add(event)


async def _record(
    session: AsyncSession, by: StaffView, action: str, worry: Worry, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="worry",
        object_id=worry.id,
        now=now,
        data={"case": worry.case_id, "child": worry.child_id},
    )
