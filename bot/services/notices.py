"""Notices: written, previewed, sent, reminded of, withdrawn, confirmed.

Called by the teacher's pages, by `handlers.notices` and `handlers.confirm`, and by the courses'
pushes (`announce`). Each function works in the caller's transaction; `bot.pipeline.notices` expands
and sends. A notice's words stand in the notice only; every delivery is composed when it is sent.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import cast

from sqlalchemy import CursorResult, Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Delivery, Notice, Place
from bot.db.models.delivery import QUEUED
from bot.db.models.delivery import WITHDRAWN as DELIVERY_WITHDRAWN
from bot.db.models.notice import DRAFT, EXPANDING, SENT, WITHDRAWN
from bot.jobs.engines import dialect_of
from bot.jobs.table import enqueue
from bot.services import audit, notice_plan, notice_rows, rights
from bot.services.live import publish
from bot.services.notice_confirm import Confirmed, Shown, confirm, confirm_child, shown, waiting
from bot.services.notice_state import ChildState, GuardianState, NoticeStates, states
from bot.services.staff import StaffView

__all__ = [
    "ChildState",
    "Confirmed",
    "GuardianState",
    "NoticeStates",
    "Preview",
    "Shown",
    "announce",
    "check",
    "confirm",
    "confirm_child",
    "discard",
    "draft",
    "get",
    "preview",
    "preview_place",
    "remind",
    "send",
    "shown",
    "states",
    "waiting",
    "withdraw",
]

EXPAND, CORRECT = "notice.expand", "notice.correct"
WRITE, READ_STATES = "notice.write", "notice.read"
TITLE_MOST = 40
# With its frame and a link the whole stays below what WeChat takes (2,048 bytes).
BODY_BYTES = 1500
REMIND_GAP = timedelta(minutes=30)
EXPAND_PRIO = 6
_NOTICE = cast(Table, Notice.__table__)


@dataclass(frozen=True, slots=True)
class Preview:
    """What sending a notice now would come to.

    Args:
        ways: guardians by the way that is open to them (`notice_plan.WAYS`).
        unreachable: guardians that no way leads to, by reason.
    """

    children: int
    guardians: int
    ways: Mapping[str, int]
    unreachable: Mapping[str, int]

    @property
    def reachable(self) -> int:
        """Return how many guardians would be sent it."""
        return sum(self.ways.values())


async def draft(
    session: AsyncSession,
    by: StaffView,
    *,
    place_id: int,
    title: str,
    body: str,
    confirm: bool,
    key: str,
    now: datetime,
) -> Notice:
    """Write a notice without sending it; the same key again is the same notice.

    Raises:
        NotAllowed: the writer may not write to this place.
        InputInvalid: a field is empty or too long.
    """
    rights.require(by, WRITE, place_id)
    title, body = " ".join(title.split()), body.strip()
    check(title, body)
    notice = await _insert(
        session,
        key=key,
        kind="notice",
        author_id=by.id,
        place_id=place_id,
        title=title,
        body=body,
        confirm=confirm,
        state=DRAFT,
        created_at=now,
    )
    if notice.author_id != by.id:
        raise Conflict("the key is somebody else's")
    return notice


def check(title: str, body: str) -> None:
    """Check that a notice can be sent as it stands.

    Raises:
        InputInvalid: a field is empty or too long.
    """
    if not title or len(title) > TITLE_MOST:
        raise InputInvalid("title", field="title")
    if not body or len(body.encode()) > BODY_BYTES:
        raise InputInvalid("body", field="body")


async def get(
    session: AsyncSession, by: StaffView, notice_id: int, *, action: str = READ_STATES
) -> Notice:
    """Return a notice of a place at which a person may do something.

    Raises:
        NotFound: there is none, or it is another school's.
    """
    notice = await session.get(Notice, notice_id)
    if notice is None or not rights.may(by, action, notice.place_id):
        raise NotFound(f"notice {notice_id}")
    return notice


async def preview(
    session: AsyncSession, notice_id: int, now: datetime, *, templates: Collection[str] = ()
) -> Preview:
    """Count whom a notice would reach now, and how.

    Args:
        templates: WeChat accounts with a template message (`Services.templates`).
    """
    notice = await session.get_one(Notice, notice_id)
    return await preview_place(session, notice.place_id, now, templates=templates)


async def preview_place(
    session: AsyncSession, place_id: int, now: datetime, *, templates: Collection[str] = ()
) -> Preview:
    """Count whom a notice to a place would reach now, and how."""
    place = await session.get_one(Place, place_id)
    children, ways, unreachable = await notice_plan.count(
        session, place, now=now, templates=templates
    )
    total = sum(ways.values()) + sum(unreachable.values())
    return Preview(children, total, MappingProxyType(ways), MappingProxyType(unreachable))


async def send(
    session: AsyncSession, by: StaffView, notice_id: int, row_version: int, now: datetime
) -> Notice:
    """Send a draft; one that is on its way already stays as it is.

    Whom it reaches is counted while it is expanded: counting a school takes too long for one
    transaction.

    Raises:
        NotFound: no such notice here.
        NotAllowed: its sender may not write to this place (any more).
        Conflict: it was changed, or withdrawn, since the sender saw it.
    """
    notice = await get(session, by, notice_id, action=WRITE)
    if notice.state in (EXPANDING, SENT):
        return notice
    await _move(
        session, notice, [DRAFT], row_version, state=EXPANDING, rounds=1, expanded=0, sent_at=now
    )
    await _expand(session, notice, now)
    await _record(session, by, "notice.sent", notice, now, {})
    return notice


async def remind(session: AsyncSession, by: StaffView, notice_id: int, now: datetime) -> Notice:
    """Remind the guardians of those children that nobody has confirmed for.

    Raises:
        NotFound: no such notice here.
        InputInvalid: it asks for no confirmation (field `confirm`).
        Conflict: it is not out, everybody has confirmed, or they were reminded just now.
    """
    notice = await get(session, by, notice_id, action=WRITE)
    if not notice.confirm:
        raise InputInvalid("nothing to confirm", field="confirm")
    missing = notice_plan.children_open(notice_id).limit(1)
    if await session.scalar(missing) is None or await _reminded_after(
        session, notice, now - REMIND_GAP
    ):
        raise Conflict("nobody to remind")
    await _move(
        session,
        notice,
        [SENT],
        notice.row_version,
        state=EXPANDING,
        rounds=notice.rounds + 1,
        expanded=0,
    )
    await _expand(session, notice, now)
    await _record(session, by, "notice.reminded", notice, now, {"round": notice.rounds})
    return notice


async def withdraw(
    session: AsyncSession,
    by: StaffView,
    notice_id: int,
    now: datetime,
    *,
    row_version: int | None = None,
) -> Notice:
    """Withdraw a notice: nothing more of it is sent, and who was sent it is told.

    Raises:
        NotFound: no such notice here.
        Conflict: it was changed since.
    """
    notice = await get(session, by, notice_id, action=WRITE)
    if notice.state == WITHDRAWN:
        return notice
    states = [DRAFT, EXPANDING, SENT]
    version = notice.row_version if row_version is None else row_version
    await _move(session, notice, states, version, state=WITHDRAWN, withdrawn_at=now)
    stopped = cast(
        CursorResult[tuple[()]],
        await session.execute(
            update(Delivery)
            .where(Delivery.notice_id == notice_id, Delivery.state == QUEUED)
            .values(state=DELIVERY_WITHDRAWN, finished_at=now)
        ),
    )
    await enqueue(
        session, CORRECT, {"notice": notice_id}, key=f"{CORRECT}:{notice_id}", now=now, prio=4
    )
    await _record(session, by, "notice.withdrawn", notice, now, {"stopped": stopped.rowcount})
    return notice


async def discard(session: AsyncSession, by: StaffView, notice_id: int) -> None:
    """Throw one's own draft away; what is out already stays."""
    await session.execute(
        delete(Notice).where(
            Notice.id == notice_id, Notice.author_id == by.id, Notice.state == DRAFT
        )
    )


async def announce(
    session: AsyncSession,
    *,
    place_id: int,
    course_id: int | None,
    title: str,
    body: str,
    key: str,
    to_contacts: Sequence[int],
    now: datetime,
    templates: Collection[str] = (),
) -> Notice:
    """Tell contacts something of a course; the same key again changes nothing.

    Raises:
        InputInvalid: a field is empty or too long.
    """
    check(title, body)
    notice = await _insert(
        session,
        key=key,
        kind="course",
        course_id=course_id,
        place_id=place_id,
        title=title,
        body=body,
        confirm=False,
        state=EXPANDING,
        rounds=1,
        created_at=now,
        sent_at=now,
    )
    if notice.state != EXPANDING:
        return notice
    purpose = notice_plan.purpose_of(notice)
    found = await notice_plan.ways_to_contacts(
        session, to_contacts, purpose=purpose, now=now, templates=templates
    )
    counted = await notice_rows.add(session, notice, {}, found, now=now)
    notice.state, notice.counts = SENT, {"contacts": len(found), **counted}
    await session.flush()
    return notice


async def _insert(session: AsyncSession, **values: object) -> Notice:
    """Insert a notice, or return the one that its key names."""
    statement = dialect_of(session).insert(_NOTICE).values(**values)
    await session.execute(statement.on_conflict_do_nothing(index_elements=["key"]))
    found = await session.scalars(select(Notice).where(Notice.key == values["key"]))
    return found.one()


async def _move(
    session: AsyncSession,
    notice: Notice,
    states: Sequence[str],
    row_version: int,
    **values: object,
) -> None:
    """Change a notice that is in one of some states and was not changed since."""
    hit = await session.scalar(
        update(Notice)
        .where(Notice.id == notice.id, Notice.state.in_(states), Notice.row_version == row_version)
        .values(row_version=Notice.row_version + 1, **values)
        .returning(Notice.id)
    )
    if hit is None:
        raise Conflict(f"notice {notice.id} was changed")
    await session.refresh(notice)


async def _expand(session: AsyncSession, notice: Notice, now: datetime) -> None:
    await enqueue(
        session,
        EXPAND,
        {"notice": notice.id, "round": notice.rounds},
        key=f"{EXPAND}:{notice.id}:{notice.rounds}:0",
        now=now,
        prio=EXPAND_PRIO,
    )


async def _record(
    session: AsyncSession,
    by: StaffView,
    action: str,
    notice: Notice,
    now: datetime,
    data: Mapping[str, object],
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="notice",
        object_id=notice.id,
        now=now,
        data={"place": notice.place_id, **data},
    )
    await publish(session, "notice", place_id=notice.place_id, case_id=None, now=now)


async def _reminded_after(session: AsyncSession, notice: Notice, moment: datetime) -> bool:
    if notice.rounds < 2:
        return False
    newest = select(func.max(Delivery.created_at)).where(Delivery.notice_id == notice.id)
    made = await session.scalar(newest)
    return made is not None and made > moment
