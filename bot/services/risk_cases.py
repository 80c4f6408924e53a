"""Test cases of the risk rules: false alarms, misses and own texts, agreed on by two people.

Called by the case's page (mark, undo), by the pages about rules (write, read, decide) and by the
erasing of a contact's data. Marking changes no level and closes no case. The list and the counts
are in `bot.services.risk_case_lists`, what the cases ask of rules in `bot.services.risk_case_runs`.

Who sees what: counselor and lead those of their own places, the district all. A text is shown only
to somebody who opened that one, and the opening stands in the audit trail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.levels import LEVELS, rank
from bot.db.locks import Turn, take_turn
from bot.db.models import Assessment, Case, Consent, Contact, Message, Place, RuleCase
from bot.db.models.case import CLOSED
from bot.db.models.rule_case import AGREED, FALSE_ALARM, MISSED, NEW, REJECTED, WRITTEN
from bot.services import audit, case_rights, rights
from bot.services.live import publish
from bot.services.staff import StaffView
from knowledge.risk import Assessment as Verdict
from knowledge.risk import Context
from knowledge.risk.loading import CATEGORIES

NOTE_LENGTH = 1_000
HARMLESS = "NONE"
# The texts of errors here that a person is told about; each has its words on the pages.
REFUSALS = frozenset(
    {"no_level", "no_category", "long_note", "same_level"}
    | {"erased", "not_yours", "decided", "own"}
)
# What the screen itself reads with a message.
_MEMORY, _MEMORY_TURNS = timedelta(hours=24), 10


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a person says a text should have got.

    Args:
        category: code of `knowledge.risk.loading.CATEGORIES`; `NONE` only for level 0.
    """

    level: str
    category: str
    note: str = ""

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "Judgement":
        """Read a form's fields `level`, `category` and `note`; nothing is checked yet."""
        level, category = form.get("level", ""), form.get("category", "")
        return cls(
            level,
            category or (HARMLESS if level == LEVELS[0] else ""),
            form.get("note", "").strip(),
        )

    def check(self) -> None:
        """Refuse what can't be a judgement.

        Raises:
            InputInvalid: one of `REFUSALS`.
        """
        if self.level not in LEVELS:
            raise InputInvalid("no_level", field="level")
        if self.category not in CATEGORIES or (rank(self.level) and self.category == HARMLESS):
            raise InputInvalid("no_category", field="category")
        if len(self.note) > NOTE_LENGTH:
            raise InputInvalid("long_note", field="note")


async def mark(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    *,
    message_id: int,
    judgement: Judgement,
    now: datetime,
) -> RuleCase:
    """Keep what a person says about one message of a case; the last judgement counts.

    Raises:
        NotFound: the case is out of the person's reach, the message is not one of its contact, or
            nothing judged it.
        InputInvalid: no level, no category, or the level that the screen found (`REFUSALS`).
        Conflict: the words are erased (`erased`).
    """
    await case_rights.to_work(session, by, case)
    judgement.check()
    # Two people, or one who clicks twice, take turns at the contact's row.
    contact = await session.get_one(Contact, case.contact_id, with_for_update=True)
    message, judged = await _judged(session, case, message_id)
    if judgement.level == judged.fresh_level:
        raise InputInvalid("same_level", field="level")
    row = await session.scalar(select(RuleCase).where(RuleCase.message_id == message_id))
    await _refuse_erased(session, message, row)
    if row is not None and row.staff_id == by.id and _says(row, judgement):
        return row
    lower = rank(judgement.level) < rank(judged.fresh_level)
    turns = await _turns(session, message, most=rank(judgement.level) - (not lower))
    row = row or RuleCase(message_id=message_id, text=message.text)
    row.kind = FALSE_ALARM if lower else MISSED
    row.turns, row.who = turns, contact.who
    row.case_id, row.place_id = case.id, case.place_id
    row.found_level = judged.fresh_level
    # A harmless message carries the categories of what was said before it.
    fired = rank(judged.fresh_level) > 0
    row.found_category = _first(judged.categories) if fired else HARMLESS
    row.rule_ids, row.rule_version = list(judged.rule_ids), judged.rule_version
    _judge(row, judgement, by.id, now)
    session.add(row)
    await session.flush()
    await _record(session, "marked", row, by.id, now, _codes(row))
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return row


def _judge(row: RuleCase, judgement: Judgement, staff_id: int, now: datetime) -> None:
    """Write a judgement into a row; whoever agreed with an earlier one is asked again."""
    row.expected_level, row.expected_category = judgement.level, judgement.category
    row.note, row.staff_id, row.created_at = judgement.note, staff_id, now
    row.state, row.decided_by, row.decided_at = NEW, None, None


def _says(row: RuleCase, judgement: Judgement) -> bool:
    said = (row.expected_level, row.expected_category, row.note)
    return said == (judgement.level, judgement.category, judgement.note)


def _first(categories: Sequence[str]) -> str:
    return categories[0] if categories else HARMLESS


def _codes(row: RuleCase) -> dict[str, object]:
    return {
        "kind": row.kind,
        "expected": row.expected_level,
        "category": row.expected_category,
        "found": row.found_level,
    }


async def _judged(session: AsyncSession, case: Case, message_id: int) -> tuple[Message, Assessment]:
    found = await session.execute(
        select(Message, Assessment)
        .join(Assessment, Assessment.message_id == Message.id)
        .where(Message.id == message_id, Message.contact_id == case.contact_id)
    )
    pair = found.first()
    if pair is None or pair.Assessment.failed:
        raise NotFound(f"message {message_id}")
    return pair.Message, pair.Assessment


async def _refuse_erased(session: AsyncSession, message: Message, row: RuleCase | None) -> None:
    """Refuse to copy words that their author has asked to erase, although some are kept by law."""
    withdrawn = select(Consent.id).where(
        Consent.contact_id == message.contact_id, Consent.withdrawn_at >= message.received_at
    )
    gone = not message.text or (row is not None and row.erased_at is not None)
    if gone or await session.scalar(withdrawn.limit(1)) is not None:
        raise Conflict("erased")


async def _turns(session: AsyncSession, message: Message, *, most: int) -> list[str]:
    """Return the messages that the screen read with this one, oldest first.

    Args:
        most: rank up to which they may be dangerous by themselves. A case is about its own message:
            one before it that reaches the level alone would decide it.
    """
    closed = await session.scalar(
        select(func.max(Case.closed_at)).where(
            Case.contact_id == message.contact_id,
            Case.state == CLOSED,
            Case.closed_at <= message.received_at,
        )
    )
    since = message.received_at - _MEMORY
    rows = await session.execute(
        select(Message.text, Assessment.fresh_level)
        .join(Assessment, Assessment.message_id == Message.id)
        .where(
            Message.contact_id == message.contact_id,
            Message.id < message.id,
            Message.received_at > (max(since, closed) if closed else since),
        )
        .order_by(Message.id.desc())
        .limit(_MEMORY_TURNS)
    )
    near = [row.text for row in rows if row.text and rank(row.fresh_level) <= most]
    return near[::-1]


async def undo(
    session: AsyncSession, by: StaffView, case: Case, *, message_id: int, now: datetime
) -> None:
    """Take one's own judgement back; doing so twice is the same as once.

    Raises:
        NotFound: the case is out of the person's reach.
        Conflict: somebody else has judged it since (`not_yours`), or it is decided (`decided`).
    """
    await case_rights.to_work(session, by, case)
    await session.get(Contact, case.contact_id, with_for_update=True)
    row = await session.scalar(
        select(RuleCase).where(RuleCase.message_id == message_id, RuleCase.case_id == case.id)
    )
    if row is None:
        return
    if row.staff_id != by.id:
        raise Conflict("not_yours")
    if row.state != NEW:
        raise Conflict("decided")
    await _record(session, "undone", row, by.id, now, _codes(row))
    await session.delete(row)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


async def write(
    session: AsyncSession,
    viewer: StaffView,
    *,
    text: str,
    context: Context,
    found: Verdict,
    judgement: Judgement,
    now: datetime,
) -> RuleCase:
    """Keep a text of one's own as a case; the same text, written by the same person, once.

    Raises:
        NotAllowed: the person may write no test cases.
        InputInvalid: no level or no category.
    """
    rights.require_somewhere(viewer, "rules.draft")
    judgement.check()
    # A double click: the person's own new cases are few, and only decrypted ones can be compared.
    await take_turn(session, Turn.AUDIT_CHAIN)
    own = await session.scalars(
        select(RuleCase).where(
            RuleCase.staff_id == viewer.id, RuleCase.kind == WRITTEN, RuleCase.state == NEW
        )
    )
    for row in own:
        if row.text == text and row.turns == list(context.turns) and row.who == context.who:
            if not _says(row, judgement):
                _judge(row, judgement, viewer.id, now)
                await _record(session, "written", row, viewer.id, now, _codes(row))
            return row
    row = RuleCase(
        kind=WRITTEN,
        text=text,
        turns=list(context.turns),
        who=context.who,
        found_level=found.level.value,
        found_category=_first(found.categories),
        rule_ids=list(found.rule_ids),
        rule_version=found.rule_version,
        place_id=await _home(session, viewer),
    )
    _judge(row, judgement, viewer.id, now)
    session.add(row)
    await session.flush()
    await _record(session, "written", row, viewer.id, now, _codes(row))
    return row


async def _home(session: AsyncSession, viewer: StaffView) -> int | None:
    """Return the topmost place of a person."""
    query = select(Place.id).where(Place.id.in_(rights.places_for(viewer, "rules.draft")))
    return await session.scalar(query.order_by(func.length(Place.path), Place.id).limit(1))


async def read(
    session: AsyncSession, viewer: StaffView, rule_case_id: int, *, now: datetime
) -> RuleCase:
    """Return one case with its text, and write into the audit trail who was shown it.

    Raises:
        NotFound: there is none, or the person may not know that there is.
    """
    row = await _visible(session, viewer, rule_case_id)
    await _record(session, "read", row, viewer.id, now)
    return row


async def decide(
    session: AsyncSession, viewer: StaffView, rule_case_id: int, *, agree: bool, now: datetime
) -> RuleCase:
    """Agree with a case or reject it, as a second person.

    Raises:
        NotFound: there is none, or the person may not decide it.
        Conflict: it is one's own (`own`), decided already (`decided`) or erased (`erased`).
    """
    row = await _visible(session, viewer, rule_case_id, lock=True)
    if not may_decide(viewer, row):
        raise NotFound(f"rule case {rule_case_id}")
    if row.staff_id == viewer.id:
        raise Conflict("own")
    if row.erased_at is not None:
        raise Conflict("erased")
    wanted = AGREED if agree else REJECTED
    if row.state == wanted and row.decided_by == viewer.id:
        return row
    if row.state != NEW:
        raise Conflict("decided")
    row.state, row.decided_by, row.decided_at = wanted, viewer.id, now
    await _record(session, wanted, row, viewer.id, now)
    return row


def may_decide(viewer: StaffView, row: RuleCase) -> bool:
    """Say whether a person's role allows to decide a case (it must still be somebody else's)."""
    if row.place_id is None:
        return "district" in viewer.roles and rights.may(viewer, "rules.judge")
    return rights.may(viewer, "rules.judge", row.place_id)


async def _visible(
    session: AsyncSession, viewer: StaffView, rule_case_id: int, *, lock: bool = False
) -> RuleCase:
    query = select(RuleCase).where(RuleCase.id == rule_case_id, seen_by(viewer))
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound(f"rule case {rule_case_id}")
    return row


def seen_by(viewer: StaffView) -> ColumnElement[bool]:
    """Match the cases that a person may know of."""
    seen = RuleCase.place_id.in_(rights.places_for(viewer, "rules.read"))
    return or_(seen, RuleCase.place_id.is_(None)) if "district" in viewer.roles else seen


async def _record(
    session: AsyncSession,
    action: str,
    row: RuleCase,
    staff_id: int,
    now: datetime,
    data: Mapping[str, object] | None = None,
) -> None:
    await audit.record(
        session,
        staff_id=staff_id,
        action=f"risk_case.{action}",
        object_kind="rule_case",
        object_id=row.id,
        now=now,
        data=data,
    )


async def erase(session: AsyncSession, contact_id: int, *, now: datetime) -> None:
    """Empty the words of all cases from a contact's messages; kinds, levels and states stay."""
    messages = select(Message.id).where(Message.contact_id == contact_id)
    await session.execute(
        update(RuleCase)
        .where(RuleCase.message_id.in_(messages), RuleCase.erased_at.is_(None))
        .values(text="", turns=[], note="", erased_at=now)
    )
